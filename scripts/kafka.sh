#!/usr/bin/env bash
# kafka.sh - a real Apache Kafka (KRaft) from Maven Central jars, for tests and benchmarks.
#
# Needs: bash, Java >= 17, Maven. Binds to 127.0.0.1 only.
#
#   kafka.sh install DIR                     resolve + cache the jars into DIR/jars   (once)
#   kafka.sh start   DIR PORT                format + start one broker; prints the bootstrap address
#   kafka.sh start3  DIR PORT                three combined broker/controllers on PORT, PORT+10, PORT+20
#   kafka.sh stop    DIR                     stop every broker of DIR (by pid file)
#   kafka.sh wipe    DIR                     remove data and logs (keeps jars); broker must be stopped
#   kafka.sh kill    DIR [NODE]              SIGKILL one broker (crash tests), NODE=1 by default
#   kafka.sh restart DIR [NODE]              start a stopped/killed broker again on its own data
#   kafka.sh topic create NAME PARTITIONS [RF]   | topic delete NAME | topic list | topic offsets NAME
#                                            (KAFKA_DIR names DIR; BOOTSTRAP, or what DIR started last)
#   kafka.sh tool DIR CLASS ARGS...          run any Kafka command class, e.g.
#                                            org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
#
# Env: KAFKA_VERSION (4.1.0)  KAFKA_HEAP (768m)  KAFKA_CONF (extra "k=v" lines)
#      KAFKA_DIR (for `topic`)
# Everything is kept under DIR.
set -euo pipefail
VERSION=${KAFKA_VERSION:-4.1.0}
HEAP=${KAFKA_HEAP:-768m}
TOOL_OPTS="-Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto"
die() { echo "kafka.sh: $*" >&2; exit 1; }
now_ms() { date +%s%3N; }

cmd_install() {
  local dir; mkdir -p "$1"; dir=$(cd "$1" && pwd)
  if [ -f "$dir/jars/.ok-$VERSION" ]; then echo "$dir/jars"; return; fi
  mkdir -p "$dir/jars" "$dir/build"
  cat > "$dir/build/pom.xml" <<POM
<project><modelVersion>4.0.0</modelVersion>
 <groupId>local</groupId><artifactId>kafka-jars</artifactId><version>1</version><packaging>pom</packaging>
 <dependencies>
  <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$VERSION</version></dependency>
  <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>$VERSION</version></dependency>
  <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
 </dependencies></project>
POM
  (cd "$dir/build" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$dir/jars") >&2
  rm -f "$dir"/jars/log4j-slf4j*-impl-*.jar "$dir"/jars/slf4j-reload4j-*.jar   # one slf4j back end: slf4j-simple
  touch "$dir/jars/.ok-$VERSION"; echo "$dir/jars"
}
java_cp() { echo "$1/jars/*"; }

# node_conf DIR NODE PORT CPORT VOTERS RF
node_conf() {
  local d=$1/node$2; mkdir -p "$d"
  cat > "$d/server.properties" <<CONF
process.roles=broker,controller
node.id=$2
listeners=PLAINTEXT://127.0.0.1:$3,CONTROLLER://127.0.0.1:$4
advertised.listeners=PLAINTEXT://127.0.0.1:$3,CONTROLLER://127.0.0.1:$4
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
controller.quorum.voters=$5
log.dirs=$d/data
num.partitions=1
num.network.threads=2
num.io.threads=4
log.segment.bytes=268435456
log.retention.ms=-1
log.retention.bytes=-1
log.cleaner.dedupe.buffer.size=16777216
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=4
offsets.topic.replication.factor=$6
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=$6
transaction.state.log.min.isr=$(( $6 > 1 ? 2 : 1 ))
share.coordinator.state.topic.replication.factor=$6
share.coordinator.state.topic.min.isr=1
transaction.max.timeout.ms=3600000
default.replication.factor=$6
min.insync.replicas=$(( $6 > 1 ? 2 : 1 ))
controlled.shutdown.max.retries=1
${KAFKA_CONF:-}
CONF
  echo "$3" > "$d/port"
}
format_node() { # DIR NODE CLUSTERID
  local d=$1/node$2
  [ -f "$d/data/meta.properties" ] && return
  java $TOOL_OPTS -cp "$(java_cp "$1")" kafka.tools.StorageTool format -t "$3" -c "$d/server.properties" >"$d/format.log" 2>&1 \
    || { cat "$d/format.log" >&2; die "format failed"; }
}
launch_node() { # DIR NODE
  local d=$1/node$2
  [ -f "$d/pid" ] && kill -0 "$(cat "$d/pid")" 2>/dev/null && die "node $2 of $1 already runs"
  nohup setsid java -Xms256m -Xmx"$HEAP" -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -Xshare:auto \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Dorg.slf4j.simpleLogger.showDateTime=true \
    -cp "$(java_cp "$1")" kafka.Kafka "$d/server.properties" >>"$d/server.log" 2>&1 < /dev/null &
  echo $! > "$d/pid"
}
wait_ready() { # DIR NODE BOOTSTRAP: port open, then metadata answered
  local d=$1/node$2 hp=$3 i
  for i in $(seq 1 600); do
    kill -0 "$(cat "$d/pid")" 2>/dev/null || { tail -20 "$d/server.log" >&2; die "broker $2 died"; }
    if (exec 3<>"/dev/tcp/${hp%:*}/${hp#*:}") 2>/dev/null; then return; fi
    sleep 0.1
  done
  die "broker $2 not ready after 60 s, see $d/server.log"
}
remember() { echo "$2" > "$1/bootstrap"; }

cmd_start() {
  cmd_install "$1" >/dev/null; local dir; dir=$(cd "$1" && pwd); local port=$2
  [ -f "$dir/node1/server.properties" ] && [ "$(cat "$dir/node1/port")" != "$port" ] && rm -f "$dir/node1/server.properties"
  node_conf "$dir" 1 "$port" $((port+1)) "1@127.0.0.1:$((port+1))" 1
  [ -f "$dir/cluster.id" ] || head -c16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-22 > "$dir/cluster.id"
  format_node "$dir" 1 "$(cat "$dir/cluster.id")"
  launch_node "$dir" 1; wait_ready "$dir" 1 "127.0.0.1:$port"
  remember "$dir" "127.0.0.1:$port"; echo "127.0.0.1:$port"
}
cmd_start3() {
  cmd_install "$1" >/dev/null; local dir; dir=$(cd "$1" && pwd); local p=$2 n bs="" voters=""
  for n in 1 2 3; do
    voters+="${voters:+,}$n@127.0.0.1:$((p+(n-1)*10+1))"; bs+="${bs:+,}127.0.0.1:$((p+(n-1)*10))"
  done
  [ -f "$dir/cluster.id" ] || head -c16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-22 > "$dir/cluster.id"
  for n in 1 2 3; do
    node_conf "$dir" $n $((p+(n-1)*10)) $((p+(n-1)*10+1)) "$voters" 3; format_node "$dir" $n "$(cat "$dir/cluster.id")" &
  done; wait
  for n in 1 2 3; do launch_node "$dir" $n; done
  for n in 1 2 3; do wait_ready "$dir" $n "127.0.0.1:$((p+(n-1)*10))"; done
  remember "$dir" "$bs"; echo "$bs"
}
cmd_stop() {
  local f pid i pids=()
  for f in "$1"/node*/pid; do [ -f "$f" ] || continue
    pid=$(cat "$f"); kill "$pid" 2>/dev/null || true; pids+=("$pid"); rm -f "$f"
  done
  for pid in "${pids[@]:-}"; do [ -n "$pid" ] || continue
    for i in $(seq 1 150); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
  done
}
cmd_kill() { # returns when the broker is gone, or a restart would find its port taken
  local f=$1/node${2:-1}/pid pid; pid=$(cat "$f"); kill -9 "$pid"; rm -f "$f"
  while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
}
cmd_restart() {
  local dir; dir=$(cd "$1" && pwd); local n=${2:-1}
  launch_node "$dir" "$n"; wait_ready "$dir" "$n" "127.0.0.1:$(cat "$dir/node$n/port")"
  echo "127.0.0.1:$(cat "$dir/node$n/port")"
}
cmd_wipe() { local n; for n in "$1"/node[0-9]; do [ -f "$n/pid" ] && die "stop it first"; rm -rf "$n"; done; rm -f "$1/cluster.id"; }
cmd_tool() { local dir=$1; shift; exec java $TOOL_OPTS -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$(java_cp "$dir")" "$@"; }
cmd_topic() {
  local dir=${KAFKA_DIR:-} bs=${BOOTSTRAP:-}
  [ -n "$dir" ] || die "set KAFKA_DIR"
  [ -n "$bs" ] || bs=$(cat "$dir/bootstrap" 2>/dev/null) || die "set BOOTSTRAP"
  local T=org.apache.kafka.tools.TopicCommand verb=$1; shift
  case $verb in
    create)  local n=$1 p=$2; shift 2; local rf=(); [ $# -gt 0 ] && { rf=(--replication-factor "$1"); shift; }
             cmd_tool "$dir" $T --bootstrap-server "$bs" --create --topic "$n" --partitions "$p" "${rf[@]}" "$@" ;;
    delete)  cmd_tool "$dir" $T --bootstrap-server "$bs" --delete --topic "$1" ;;
    list)    cmd_tool "$dir" $T --bootstrap-server "$bs" --list ;;
    offsets) cmd_tool "$dir" org.apache.kafka.tools.GetOffsetShell --bootstrap-server "$bs" --topic "$1" ;;
    *) die "topic create|delete|list|offsets" ;;
  esac
}
[ $# -ge 1 ] || { sed -n '2,23p' "$0"; exit 2; }
verb=$1; shift
case $verb in install|start|start3|stop|wipe|kill|restart|tool|topic) "cmd_$verb" "$@" ;; *) die "unknown verb $verb" ;; esac

#!/usr/bin/env bash
# peers.sh QUERY... : the same queries on the same topics of the same broker with
# streamdb, Flink SQL (RocksDB, checkpoints every 10 s, blackhole sink; the third
# run in one JVM, which is warm) and Kafka Streams (q1, q2, gcount, gagg; second
# half of the run). One JSON line a system and query, then the ratios of CPU.
#
# Env: as run.sh. Needs Java 17 and Maven; jars and classes go to $BENCH_DIR/peers.
# PEERS="flink kstreams" says which to run beside streamdb.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { sed -n '2,10p' "$0"; exit 2; }
. bench/env.sh
PEERS=${PEERS:-flink kstreams}
run=$BENCH_DIR/peers
mkdir -p "$run"
for m in $PEERS; do
  [ -f "$run/$m-jars/.ok" ] || { (cd "bench/peers/$m" && mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$run/$m-jars" -DbuildDirectory="$run/$m-build") >&2; touch "$run/$m-jars/.ok"; }
  javac -cp "$run/$m-jars/*" -d "$run/$m-classes" "bench/peers/$m"/src/*.java
done

out=$run/results.jsonl
: > "$out"
# Maven's colour codes may stand before a line of JSON; keep the JSON alone.
note() { sed -u -n 's/^[^{]*{/{/p' | tee -a "$out"; }

BOOTSTRAP=$BOOTSTRAP bench/run.sh "$@" | sed -u 's/^{/{"system":"streamdb",/' | note
topic=nx1-$EVENTS

flink() { # QUERY: three runs in one JVM
  local sql=bench/peers/flink/sql/$1.sql ck=$run/checkpoints-$$
  [ -f "$sql" ] || return 0
  mkdir -p "$ck"
  java -Xms512m -Xmx1536m -XX:+UseG1GC -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
    --add-opens=java.base/java.lang=ALL-UNNAMED --add-opens=java.base/java.util=ALL-UNNAMED --add-opens=java.base/java.time=ALL-UNNAMED \
    --add-opens=java.base/java.net=ALL-UNNAMED --add-opens=java.base/java.nio=ALL-UNNAMED \
    -cp "$run/flink-classes:$run/flink-jars/*" FlinkRun --ddl bench/peers/flink/sql/ddl.sql --sql "$sql,$sql,$sql" \
    --bootstrap "$BOOTSTRAP" --topic "$topic" --par 2 --state rocksdb --ckptdir "$ck" 2>>"$run/flink.err" |
    sed -u "s/^{/{\"system\":\"flink\",\"events\":$EVENTS,/" | note
  rm -rf "$ck"
}

kstreams() { # QUERY
  case $1 in q1|q2|gcount|gagg) ;; *) return 0 ;; esac
  local state=$run/kstreams-state-$$
  mkdir -p "$state"
  java -Xms256m -Xmx1g -XX:+UseG1GC -Dorg.slf4j.simpleLogger.defaultLogLevel=error \
    -cp "$run/kstreams-classes:$run/kstreams-jars/*" KsRun --query "$1" --bootstrap "$BOOTSTRAP" --topic "$topic-bid" \
    --threads 2 --eos false --statedir "$state" 2>>"$run/kstreams.err" |
    sed -u "s/^{/{\"system\":\"kstreams\",\"query\":\"$1\",\"events\":$EVENTS,/" | note
  rm -rf "$state"
}

for q in "$@"; do
  for peer in $PEERS; do "$peer" "$q"; done
done
go run ./bench/ratios < "$out"

#!/usr/bin/env bash
# Runs the tests that need a real Kafka broker: the connector's tests and a short
# crash test of the built server (topics to views and sinks, read by pgx), in which
# the broker is killed, too. Starts a broker from Maven artifacts unless
# STREAMDB_TEST_KAFKA names one, which is then left alone. Without Java or Maven it
# prints SKIP, or fails when STREAMDB_REQUIRE contains kafka.
set -euo pipefail
cd "$(dirname "$0")/.."
mortal=()
if [ -z "${STREAMDB_TEST_KAFKA:-}" ]; then
  if ! command -v java >/dev/null || ! command -v mvn >/dev/null; then
    case ",${STREAMDB_REQUIRE:-}," in
      *,kafka,*) echo "kafka-test: Java and Maven are required" >&2; exit 1 ;;
      *) echo "SKIP kafka-test: no Java or Maven"; exit 0 ;;
    esac
  fi
  dir=${STREAMDB_KAFKA_DIR:-.ci-cache/kafka}
  port=${STREAMDB_KAFKA_PORT:-29092}
  # A broker that comes back is let in only when its former session has ended.
  export KAFKA_CONF=$'broker.session.timeout.ms=2000\nbroker.heartbeat.interval.ms=500'
  scripts/kafka.sh start "$dir" "$port"
  trap 'scripts/kafka.sh stop "$dir"; rm -rf "$dir"/node1' EXIT
  export STREAMDB_TEST_KAFKA=127.0.0.1:$port
  mortal=(-kill-broker "scripts/kafka.sh kill $dir" -start-broker "scripts/kafka.sh restart $dir")
fi
export STREAMDB_REQUIRE=${STREAMDB_REQUIRE:-kafka}
go test -count=1 ./connector/kafka/...
go build -o bin/streamdb ./cmd/streamdb
go run ./test/crash -binary bin/streamdb -kills 10 -kafka "$STREAMDB_TEST_KAFKA" "${mortal[@]}"

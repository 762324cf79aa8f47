# Sourced by the scripts here: settings, and a broker where BOOTSTRAP names none.
EVENTS=${EVENTS:-2000000} RUNS=${RUNS:-3} SYNC=${SYNC:-on}
BENCH_DIR=${BENCH_DIR:-$PWD/.ci-cache/bench}
mkdir -p "$BENCH_DIR"
if [ -z "${BOOTSTRAP:-}" ]; then
  for tool in java mvn; do
    command -v "$tool" >/dev/null || { echo "bench: $tool is needed to start a broker; or set BOOTSTRAP" >&2; exit 1; }
  done
  BOOTSTRAP=$(scripts/kafka.sh start "$BENCH_DIR/kafka" "${BENCH_KAFKA_PORT:-29192}")
  trap 'scripts/kafka.sh stop "$BENCH_DIR/kafka"' EXIT
fi
export BOOTSTRAP

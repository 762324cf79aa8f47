#!/usr/bin/env bash
# run.sh QUERY... : measures Nexmark queries on a real Kafka broker, one JSON line
# a run, the median last. run.sh all runs every query.
#
# Env: EVENTS (2000000)  RUNS (3)  SYNC (on)  BOOTSTRAP (a running broker; without it
# one is started from Maven artifacts and stopped at the end)  BENCH_DIR (data of
# broker and servers; .ci-cache/bench)  PGHOST PGPORT PGUSER ... (PostgreSQL >= 14
# for the reference answers; it keeps the events in schemas nx*)
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || { sed -n '2,9p' "$0"; exit 2; }
. bench/env.sh
go build -o bin/streamdb ./cmd/streamdb
go build -o bin/nexmark ./bench/nexmark
queries=("$@")
[ "$1" = all ] && mapfile -t queries < <(bin/nexmark queries)
bin/nexmark fill -brokers "$BOOTSTRAP" -events "$EVENTS" >&2
for q in "${queries[@]}"; do
  bin/nexmark run -brokers "$BOOTSTRAP" -events "$EVENTS" -query "$q" -runs "$RUNS" -sync "$SYNC" -dir "$BENCH_DIR"
done

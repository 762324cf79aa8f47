#!/usr/bin/env bash
# freshness.sh [FLAGS of bench/freshness] : p50, p90 and p99 of the time from
# produce to visible on a real Kafka broker, with the disk's fsync beside it.
# Env: BOOTSTRAP and BENCH_DIR as for run.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/env.sh
go build -o bin/streamdb ./cmd/streamdb
go run ./bench/freshness -brokers "$BOOTSTRAP" -dir "$BENCH_DIR" "$@"

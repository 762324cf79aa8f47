#!/usr/bin/env bash
# Runs every fuzz target for the given time each (default 10s).
set -euo pipefail
cd "$(dirname "$0")/.."
time=${1:-10s}
grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
  for target in $(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$dir"/*_test.go | sed 's/^func //' | sort -u); do
    echo "fuzz $dir $target"
    go test "$dir" -run='^$' -fuzz="^$target\$" -fuzztime="$time" -parallel=2
  done
done

#!/usr/bin/env bash
# Runs the fuzz targets of all packages: fuzz.sh [time of each] [time of all]
# (10s, 600s). Where not all fit, the day chooses with which one to begin, so
# that every target has its turn.
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-10s}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# run fuzzes one target. The end of the fuzzing time may fall into a worker's
# call, which go test reports as a failure without an input (golang/go#56238):
# that is none.
run() {
  if go test "$1" -run='^$' -fuzz="^$2\$" -fuzztime="$each" -parallel=2 2>&1 | tee "$log"; then
    return
  fi
  if grep -q 'context deadline exceeded' "$log" && ! grep -q 'Failing input' "$log"; then
    echo "fuzz: $1 $2 ended within a call"
    return
  fi
  exit 1
}

total=${2:-600s}
targets=()
while read -r file; do
  while read -r target; do
    targets+=("$(dirname "$file") $target")
  done < <(grep -oE '^func Fuzz[A-Z][A-Za-z0-9_]*' "$file" | sed 's/^func //')
done < <(grep -rlE '^func Fuzz[A-Z]' --include='*_test.go' . | sort)
count=${#targets[@]}
[ "$count" -gt 0 ] || { echo "fuzz: no targets" >&2; exit 1; }
first=$(( $(date +%j | sed 's/^0*//') % count ))
for ((i = 0; i < count; i++)); do
  if [ "$SECONDS" -ge "${total%s}" ]; then
    echo "fuzz: $i of $count targets in ${total}, the others another day"
    break
  fi
  read -r dir target <<<"${targets[$(( (first + i) % count ))]}"
  echo "fuzz $dir $target"
  run "$dir" "$target"
done

#!/usr/bin/env bash
# Runs the static binary as user 65532 in an empty root, as the Docker image
# does, and checks that it answers: it must need no libraries, time zones,
# /tmp, /proc or /dev. Needs root for chroot, and psql; prints SKIP without, or
# fails where STREAMDB_REQUIRE contains static.
set -euo pipefail
cd "$(dirname "$0")/.."
skip() {
  case ",${STREAMDB_REQUIRE:-}," in *,static,*) echo "static-test: $1" >&2; exit 1 ;; esac
  echo "SKIP static-test: $1"; exit 0
}
[ "$(id -u)" = 0 ] || skip "not root"
command -v chroot >/dev/null || skip "no chroot"
command -v psql >/dev/null || skip "no psql"
root=$(mktemp -d)
pid=
finish() {
  [ -z "$pid" ] || { kill "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
  rm -rf "$root"
}
trap finish EXIT
chmod 755 "$root"
CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$root/streamdb" ./cmd/streamdb
mkdir "$root/data"
chown 65532:65532 "$root/data"
inside() { chroot --userspec=65532:65532 "$root" /streamdb "$@"; }
inside version
out=$(mktemp)
env -i STREAMDB_DATA_DIR=/data "$(command -v chroot)" --userspec=65532:65532 "$root" /streamdb serve \
  --listen 127.0.0.1:0 --http-listen 127.0.0.1:0 >"$out" 2>&1 &
pid=$!
for _ in $(seq 1 100); do
  grep -q ready: "$out" && break
  kill -0 "$pid" 2>/dev/null || { cat "$out" >&2; exit 1; }
  sleep 0.1
done
address() { sed -nE "s/.*$1 ([0-9.]+:[0-9]+).*/\1/p" "$out"; }
pg=$(address postgres) http=$(address http)
got=$(psql -X -At -v ON_ERROR_STOP=1 -h "${pg%:*}" -p "${pg#*:}" -U streamdb streamdb -c "SET TIME ZONE 'Europe/Zurich'" \
  -c 'CREATE TABLE t (id int PRIMARY KEY)' -c 'INSERT INTO t VALUES (1), (2)' \
  -c 'CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t' -c 'SELECT n FROM v' \
  -c "SELECT timestamptz '2026-07-01 00:00+00'" | tail -2 | tr '\n' '|')
[ "$got" = "2|2026-07-01 02:00:00+02|" ] || { echo "static-test: unexpected answer: $got" >&2; cat "$out" >&2; exit 1; }
inside health --http-listen "$http"
kill "$pid"
wait "$pid" || { echo "static-test: the server did not stop cleanly" >&2; cat "$out" >&2; exit 1; }
pid=
rm -f "$out"
echo "static-test: ok"

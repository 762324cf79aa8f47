#!/bin/sh
# Asks PostgreSQL for the answers of expression files and rewrites them.
# Usage: record.sh "psql connection string" file...
set -eu
conn=$1
shift
for file; do
  tmp=$(mktemp)
  zone=UTC
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    '' | '#'*) printf '%s\n' "$line" >>"$tmp"; continue ;;
    'set timezone = '*) zone=$(printf %s "${line#set timezone = }" | tr -d "'"); printf '%s\n' "$line" >>"$tmp"; continue ;;
    esac
    src=${line%% => *}
    out=$(PGTZ=$zone psql "$conn" -XqAt -v VERBOSITY=verbose -c "set timezone='$zone'; select pg_typeof(v)::text || case when v is null then ' NULL' else ': ' end, case when v is null then '' else v::text end from (select ($src)) q(v)" -F '' 2>&1) || true
    case $out in
    ERROR:*) out=$(printf %s "$out" | sed -n '1s/^ERROR:  \([0-9A-Z]*\): /ERROR \1: /p') ;;
    esac
    printf '%s => %s\n' "$src" "$(printf %s "$out" | tr '\n' '~')" >>"$tmp"
  done <"$file"
  cat "$tmp" >"$file"
  rm -f "$tmp"
done

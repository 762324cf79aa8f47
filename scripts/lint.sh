#!/usr/bin/env bash
# Runs golangci-lint at the pinned version, building it once into bin/.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v2.15.0
tool=bin/golangci-lint-$version
if [ ! -x "$tool" ]; then
  GOBIN=$PWD/bin CGO_ENABLED=0 GOFLAGS=-mod=mod go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
  mv bin/golangci-lint "$tool"
fi
exec "$tool" run ./...

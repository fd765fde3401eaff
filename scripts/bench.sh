#!/usr/bin/env bash
# Runs the benchmarks on SQLite and on a PostgreSQL of its own with its usual durability. Arguments go to go test, for
# example: scripts/bench.sh -bench Resolve -count 5
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh
exec scripts/postgres.sh --durable go test -tags nomsgpack -run '^$' -bench . -benchmem -timeout 60m -p 1 "$@" ./...

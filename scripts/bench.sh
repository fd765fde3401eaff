#!/usr/bin/env bash
# The performance suite: a PostgreSQL of its own with the usual care for crashes, a registry of BENCH_ROWS links (1 million
# if not set; 10 million takes about 20 minutes and 12 GB of disk), the real server, and our load generator.
#     BENCH_ROWS=10000000 BENCH_OUT=.run/bench/ten scripts/bench.sh
#     scripts/bench.sh -only 'postgres resolve 8x' -quick        # arguments go to cmd/bench
# It prints a table and leaves the same numbers in BENCH_OUT.json, and for benchstat in BENCH_OUT.txt.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != --with-postgres ]; then
    scripts/install.sh
    scripts/assets.sh
    mkdir -p bin
    CGO_ENABLED=0 go build -trimpath -tags nomsgpack -o bin/spar .
    go build -o bin/bench ./cmd/bench
    # As a server for this alone would have: a quarter of the memory.
    POSTGRES_BUFFERS="$(awk '/MemTotal/ {print int($2 / 4096)}' /proc/meminfo)MB" exec scripts/postgres.sh --durable "$0" --with-postgres "$@"
fi
shift

out=${BENCH_OUT:-.run/bench/last}
mkdir -p "$(dirname "$out")"
if [ -e "$out.json" ]; then
    mv "$out.json" "$out.before.json"
    mv "$out.txt" "$out.before.txt"
fi
bin/bench -rows "${BENCH_ROWS:-1000000}" -json "$out.json" -text "$out.txt" "$@"

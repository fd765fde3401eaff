#!/usr/bin/env bash
# Everything CI runs, on a fresh machine too: installs what is missing, then checks, tests on SQLite and PostgreSQL with
# the race detector, and gives every fuzz target a few seconds. Without arguments it starts its own PostgreSQL.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "${1:-}" != --with-postgres ]; then
    scripts/install.sh
    scripts/assets.sh
    scripts/check.sh
    exec scripts/postgres.sh "$0" --with-postgres
fi

# What a plain `go test` may leave out for want of a database or browser is an error here.
export TEST_REQUIRE_ALL=1

echo "== go test -race"
go test -race -shuffle=on -tags nomsgpack -timeout 20m ./...

echo "== fuzz targets, 5 s each"
grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do
    for target in $(grep -oE '^func Fuzz[A-Za-z0-9_]+' "$file" | sed 's/^func //'); do
        echo "$(dirname "$file") $target"
        go test -tags nomsgpack -run '^$' -fuzz "^$target\$" -fuzztime 5s "$(dirname "$file")" </dev/null
    done
done

#!/usr/bin/env bash
# The checks that need no database and no browser: generated code is up to date, formatting, vet, staticcheck.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "== generated code"
go tool templ generate >/dev/null 2>&1
changed=$(git status --porcelain -- '*_templ.go')
if [ -n "$changed" ]; then
    echo "generated code differs from the committed one; run make generate and commit:" >&2
    echo "$changed" >&2
    exit 1
fi

echo "== gofmt"
unformatted=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$unformatted" ]; then
    echo "not formatted:" >&2
    echo "$unformatted" >&2
    exit 1
fi

echo "== go vet"
go vet -tags nomsgpack ./...

echo "== staticcheck"
go tool staticcheck -tags nomsgpack ./...

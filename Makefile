# The two commands a newcomer needs are `make run` and `make test`.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unversioned)

.PHONY: help run build test check bench bench-compare generate assets clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

run: build ## build, then start a complete demonstration on this machine
	bin/spar demo

build: assets ## bin/spar, one static binary with everything embedded
	CGO_ENABLED=0 go build -trimpath -tags nomsgpack -ldflags '-s -w -X main.version=$(VERSION)' -o bin/spar .

test: ## everything CI runs; installs what it needs on a fresh Debian machine
	scripts/test.sh

check: ## the quick part of it: generated code, formatting, vet, staticcheck
	scripts/check.sh

bench: ## the performance suite, with a PostgreSQL of its own; BENCH_ROWS=10000000 for a nation
	scripts/bench.sh

BASE ?= .run/bench/last.before
NEW ?= .run/bench/last

bench-compare: ## two runs of the suite side by side: BASE=.run/bench/last.before NEW=.run/bench/last
	@go run ./cmd/bench -compare $(BASE:.json=).json -json $(NEW:.json=).json
	@go tool benchstat $(BASE:.json=).txt $(NEW:.json=).txt

generate: ## the Go code of the templates
	go tool templ generate

assets: ## the third-party scripts from npm; pages work without them
	@scripts/assets.sh || echo "assets: not fetched (see above); the pages work without scripts"

clean: ## remove what was built and what the demonstration kept
	rm -rf bin .run node_modules

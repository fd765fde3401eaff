# The two commands a newcomer needs are `make run` and `make test`.

.PHONY: build run test bench generate check clean

build: generate ## bin/spar, one static binary with everything embedded
	CGO_ENABLED=0 go build -trimpath -tags nomsgpack -o bin/spar .

generate:
	go tool templ generate

test: ## everything CI runs
	go vet ./...
	go test ./...

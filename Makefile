# Wattline: make help lists the targets. Ready to paste:
#
#   make run                                      an emulated office on http://127.0.0.1:8080
#   make run ARGS='--plugs 100 --listen :9000'    with other options of wattline demo
#   make test                                     everything, as CI does it
#   make test PKG=./agents/kasa/... T='-run Frame -v'
#   make test LINT=0                              without the linter
#   make fuzz FUZZTIME=1m PKG=./agents/kasa
#   make chaos SEED=7 DURATION=5m
#
# Building and running need Go and make, nothing else. The tests fetch what they
# need: see deps.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
ARGS     ?=
PKG      ?= ./...
T        ?=
FUZZTIME ?= 10s
DURATION ?= 1h
PLUGS    ?= 0
SEED     ?= 0
LINT     := 1
PYTHON   ?= python3

TOOLS := .cache/bin

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^##@ /{ printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## /{ printf "  %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Build and run

.PHONY: build
build: ## Build bin/wattline
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '-s -w -X main.version=$(VERSION)' -o bin/wattline ./cmd/wattline

.PHONY: run
run: build ## Build and run an emulated office; ARGS='--plugs 100' (Ctrl-C stops it)
	@exec bin/wattline demo $(ARGS)

##@ Test

.PHONY: test
test: deps ## Vet, lint and all tests with the race detector; PKG=./api/... T='-run X -v' LINT=0
	go vet $(PKG)
	@lint=0; \
	if [ '$(LINT)' = 0 ]; then :; \
	elif tools/build.sh lint golangci-lint; then $(TOOLS)/golangci-lint run --allow-serial-runners $(PKG) || lint=$$?; \
	else echo 'test: going on without golangci-lint, which could not be built' >&2; fi; \
	tools/vuln.sh || lint=$$?; \
	echo go test -race -timeout 25m $(T) $(PKG); \
	go test -race -timeout 25m $(T) $(PKG); \
	if [ $$lint -ne 0 ]; then echo 'test: the tests passed, but the linter found faults: see above, or make lint' >&2; exit $$lint; fi

.PHONY: test-short
test-short: ## Tests only, without the race detector and the long ones
	go test -short $(T) $(PKG)

.PHONY: race
race: ## All tests with the race detector, not from the cache
	go test -race -count=1 -timeout 25m $(T) $(PKG)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME=10s; PKG=./agents/kasa for one package
	@tools/fuzz.sh '$(FUZZTIME)' $(PKG)

.PHONY: bench
bench: ## Measure against the floor, print the table and keep it in docs
	go test -run '^$$$$' -bench . -benchtime 1x -timeout 60m $(T) ./bench -args -table $(CURDIR)/docs/benchmarks-table.md

.PHONY: soak
soak: deps ## Keep the store away for DURATION=1h of 50 plugs at 1 s, and print what was seen
	go test -count=1 -timeout 0 -run '^TestSoak$$' -v $(T) ./e2e -args -away $(DURATION)

.PHONY: chaos
chaos: DURATION = 20m
chaos: deps ## Kill, cut and fill everything for DURATION=20m, PLUGS=100 at 1 s; SEED=n has the same plan again
	go test -c -o .cache/chaos.test ./e2e/chaos
	cd e2e/chaos && ../../.cache/chaos.test -test.run '^TestChaos$$' -test.v -test.timeout 0 $(T) \
		-duration $(DURATION) -plugs $(PLUGS) -seed $(SEED) -table $(CURDIR)/docs/chaos-table.md

.PHONY: deps
deps: ## Provide what the tests need: mosquitto, Node.js packages, influxd
	@tools/deps.sh

##@ Check and generate

.PHONY: check
check: test ## What CI runs

.PHONY: lint
lint: ## golangci-lint, import rules included
	@tools/build.sh lint golangci-lint
	$(TOOLS)/golangci-lint run --allow-serial-runners $(PKG)

.PHONY: vuln
vuln: ## Look up known vulnerabilities (govulncheck; needs vuln.go.dev or GOVULNDB)
	@tools/vuln.sh

.PHONY: fmt
fmt: ## Format all Go files
	@tools/build.sh lint golangci-lint
	$(TOOLS)/golangci-lint fmt

.PHONY: openapi
openapi: ## Write openapi/ anew from the comments in api/
	@tools/build.sh swag swag
	PATH="$(CURDIR)/$(TOOLS):$$PATH" go generate ./openapi

.PHONY: examples
examples: ## Take the examples of the description from the answers of the tests
	go test -count=1 -run '^TestEveryDescribedAnswer' ./api -args -examples

.PHONY: docs
docs: ## Build the documentation into docs/_build/html; a warning is an error
	@[ -x .cache/docs/bin/sphinx-build ] && [ .cache/docs/bin/sphinx-build -nt docs/requirements.txt ] || { \
		$(PYTHON) -m venv .cache/docs && .cache/docs/bin/pip install --quiet --disable-pip-version-check --force-reinstall -r docs/requirements.txt; }
	.cache/docs/bin/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo 'docs/_build/html/index.html'

.PHONY: clean
clean: ## Remove what was built; .cache (tools, influxd) stays: rm -rf .cache
	rm -rf bin docs/_build
	find . -name node_modules -prune -o -type f \( -name '*.test' -o -name '*.prof' \) -exec rm -f {} +

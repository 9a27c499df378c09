# The ways into this repository. `make run` and `make test` install what they need and lack: see scripts/toolchain.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Where rustup puts cargo, for the shells that have not read its profile yet.
CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export PATH := $(CARGO_BIN):$(PATH)

.PHONY: help run demo demo-picture build release test fmt-check lint unit doctest fuzz-smoke schema fmt fuzz openapi simulate conformance bench deny cover clean

help: ## Show what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: ## Build the server and run it on its embedded defaults; ARGS="--config FILE" for others
	@scripts/start $(ARGS)

demo: ## A server and three clients act out a session in this terminal
	@scripts/demo

demo-picture: ## Draw docs/demo.svg, the README's picture, from what the demo prints; needs Python 3
	@scripts/demo-picture

# The programs in the profile of the tests. Optimising the whole tree takes several times as long: see `release`.
build: ## Build both programs quickly, into target/debug
	@scripts/build

release: ## Build both programs optimised, into target/release
	@scripts/build --release

test: fmt-check lint deny unit doctest fuzz-smoke schema ## Everything that must pass before a change goes in

# Before anything that calls cargo, whichever targets are asked for.
.PHONY: toolchain services
toolchain:
	@scripts/toolchain rust nextest

services: toolchain
	@scripts/services

fmt-check: toolchain
	cargo fmt --all --check
	cargo fmt --manifest-path tests/fuzz/Cargo.toml --check
	cargo fmt --manifest-path benchmark/baselines/Cargo.toml --check

lint: toolchain ## Clippy over everything, warnings are errors; plain words and unique type names
	@scripts/toolchain python
	scripts/words
	# The fuzz targets have a lock file of their own, which a new dependency of ours leaves behind.
	cargo metadata --locked --manifest-path tests/fuzz/Cargo.toml --format-version 1 > /dev/null
	cargo clippy --locked --workspace --all-targets -- -D warnings
	cargo clippy --locked --manifest-path benchmark/baselines/Cargo.toml --target-dir target --all-targets -- -D warnings

unit: services
	cargo nextest run --locked --workspace
	cargo test --locked --quiet --manifest-path benchmark/baselines/Cargo.toml --target-dir target

doctest: toolchain
	cargo test --locked --workspace --doc --quiet

# A few seconds of each target on the committed corpus, and what little is new in that time.
fuzz-smoke: toolchain
	@scripts/fuzz --seconds 10

# Of a fixed length and order of requests: what it finds, it finds again.
schema: toolchain ## Test the server against the OpenAPI document that it publishes; EXAMPLES=100 for more than 10 random requests of a kind
	@scripts/schema --examples $(or $(EXAMPLES),10)

fmt: toolchain ## Format the code
	cargo fmt --all
	cargo fmt --manifest-path tests/fuzz/Cargo.toml
	cargo fmt --manifest-path benchmark/baselines/Cargo.toml

fuzz: toolchain ## Fuzz the reading of frames and the session kernel; SECONDS=600 for longer, TARGET=step for one
	@scripts/fuzz --seconds $(or $(SECONDS),20) $(TARGET)

openapi: toolchain ## Write api/openapi.json anew, from the code
	UPDATE_OPENAPI=1 cargo test --locked -p faceshare-routes openapi

conformance: ## Hold the WebSocket engine to RFC 6455 with the Autobahn suite, some minutes long
	@scripts/conformance

bench: ## Measure the server beside the baselines, into benchmark/results; QUICK=1 for a smoke run of a minute
	@scripts/bench $(if $(QUICK),--quick)

simulate: ## A million random histories of the engine, simulated; HISTORIES=N for another number
	@scripts/simulate --histories $(or $(HISTORIES),1000000)

deny: ## Licences, bans and sources of the dependencies; advisories where their database can be fetched
	@scripts/deny

cover: ## Run the tests and write lcov.info
	@scripts/cover

clean: ## Remove what was built; data/ stays
	cargo clean
	rm -rf lcov.info tests/foreign/node_modules

# The ways into this repository. `make run` and `make test` install what they need and lack: see scripts/toolchain.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Where rustup puts cargo, for the shells that have not read its profile yet.
CARGO_BIN := $(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export PATH := $(CARGO_BIN):$(PATH)

.PHONY: help run demo build release test fmt-check lint unit doctest fmt openapi deny cover clean

help: ## Show what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

run: ## Build the server and run it on its embedded defaults; ARGS="--config FILE" for others
	@scripts/start $(ARGS)

demo: ## A server and three clients act out a session in this terminal
	@scripts/demo

# The programs in the profile of the tests. Optimising the whole tree takes several times as long: see `release`.
build: ## Build both programs quickly, into target/debug
	@scripts/build

release: ## Build both programs optimised, into target/release
	@scripts/build --release

test: fmt-check lint unit doctest ## Everything that must pass before a change goes in

# Before anything that calls cargo, whichever targets are asked for.
.PHONY: toolchain services
toolchain:
	@scripts/toolchain rust nextest

services: toolchain
	@scripts/services

fmt-check: toolchain
	cargo fmt --all --check

lint: toolchain ## Clippy over everything, warnings are errors
	cargo clippy --locked --workspace --all-targets -- -D warnings

unit: services
	cargo nextest run --locked --workspace

doctest: toolchain
	cargo test --locked --workspace --doc --quiet

fmt: toolchain ## Format the code
	cargo fmt --all

openapi: toolchain ## Write api/openapi.json anew, from the code
	UPDATE_OPENAPI=1 cargo test --locked -p faceshare-routes openapi

deny: ## Licences, advisories, bans and sources of the dependencies
	@scripts/toolchain rust deny
	cargo deny --locked check

cover: ## Run the tests and write lcov.info
	@scripts/cover

clean: ## Remove what was built; data/ stays
	cargo clean
	rm -rf lcov.info tests/foreign/node_modules

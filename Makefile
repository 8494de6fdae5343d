# One command each; the environment is made when first needed. `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PORT ?= 4200
ARGS ?=
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest

.PHONY: help setup demo serve deploy test check fmt bench soak lock clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 16

setup: $(READY)  ## make the environment (.venv) from requirements.lock
	@echo "setup: $(VENV) is ready"

demo: $(READY)  ## one dry-run cycle on the sample bars; ARGS="--bars FILE" for yours
	@$(BIN)/regent run $(ARGS)

serve: $(READY)  ## Prefect server, UI, deployments and a worker until Ctrl-C; PORT=4200
	@exec $(BIN)/python -m flows.serving --port $(PORT)

deploy: $(READY)  ## deploy again to the server that `make serve` runs
	@$(BIN)/python -m flows.serving --deploy

test: check  ## check, then every test but the long ones
	@$(PYTEST) -q -n $(WORKERS) --dist loadgroup --no-loadscope-reorder -m "not soak and not bench" $(ARGS)

check: $(READY)  ## lint, format, types, imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fmt: $(READY)  ## format, and fix what can be fixed without asking
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(READY)  ## measure
	@$(PYTEST) -q -m bench -s $(ARGS)

soak: $(READY)  ## the long tests
	@$(PYTEST) -q -m soak --timeout 0 $(ARGS)

lock: $(READY)  ## resolve pyproject.toml into requirements.lock, hashes included
	@tools="$$(mktemp -d)"; trap 'rm -rf "$$tools"' EXIT; \
	uv="$$(command -v uv || true)"; \
	if [ -z "$$uv" ]; then \
		$(BIN)/python -m venv "$$tools"; "$$tools/bin/pip" install -q uv; uv="$$tools/bin/uv"; \
	fi; \
	"$$uv" pip compile -q --universal --generate-hashes --no-emit-index-url --no-header \
		--all-extras --python-version 3.11 pyproject.toml -o requirements.lock

clean:  ## remove the environment and caches; the books in .var stay
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# Made once, and again when what it is made of has changed.
$(READY): requirements.lock pyproject.toml
	@python=""; for candidate in $(PYTHON) python3.12 python3.11 python3.13 python3; do \
		if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			python="$$candidate"; break; \
		fi; \
	done; \
	if [ -z "$$python" ]; then \
		echo "error: no Python 3.11 or newer found; install one, or name it: make setup PYTHON=/path/to/python3" >&2; \
		exit 1; \
	fi; \
	echo "setup: $$("$$python" --version) in $(VENV), a minute or two the first time"; \
	if ! "$$python" -m venv $(VENV); then \
		echo "error: $$python cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; \
		exit 1; \
	fi; \
	pip="$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps"; \
	$$pip --require-hashes -r requirements.lock \
		&& $$pip --no-build-isolation -e . \
		&& touch $(READY)

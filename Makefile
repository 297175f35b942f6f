# One command each. `make` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.DEFAULT_GOAL := help

help: ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV) || { echo 'Python cannot make a virtual environment. On Debian: apt-get install python3-venv'; rm -rf $(VENV); exit 1; }

$(STAMP): requirements.lock pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

run: $(STAMP) ## Set up, start Wireroom on its embedded default and print the address
	@exec $(BIN)/wireroom up

demo: $(STAMP) ## Start with the demo back end and a throw-away data folder
	@WIREROOM_BACKEND=demo WIREROOM_DATA_DIR=$$(mktemp -d) exec $(BIN)/wireroom up

test: $(DEV_STAMP) ## Run the tests (browser tests need Debian's chromium)
	$(BIN)/python -m pytest

check: $(DEV_STAMP) ## Lint, format check, strict types, import rules, lock check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(DEV_STAMP) ## Format and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## Measure, with machine, commit and fsync setting
	$(BIN)/python -m bench

docs: $(DEV_STAMP) ## Check that the documents agree with the code
	$(BIN)/python -m pytest tests/docs

lock: $(DEV_STAMP) ## Resolve the dependencies again, with hashes
	$(BIN)/uv pip compile pyproject.toml --extra postgres --group build --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra postgres --group build --group dev --universal --python-version 3.11 --generate-hashes --no-annotate --no-header -q -o requirements-dev.lock

clean: ## Remove what the targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.PHONY: help run demo test check fmt bench docs lock clean

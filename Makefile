# One command each; `make` lists them.
#   make run PORT=9000              settings are environment variables: docs/reference/settings.md
#   make test ARGS='-k lanes'       arguments for pytest; WORKERS=0 for one process
#   make run PYTHON=python3.12      another interpreter, for the first set-up

PYTHON ?= python3
ARGS ?=
WORKERS ?= 4
SEED ?= 2496
CHAOS_SECONDS ?= 600
MOVE_MB ?= 1024
KILLS ?= 3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

# What `make test-cluster` runs: what starts the whole service and asks it from outside.
CLUSTER_TESTS := tests/acceptance tests/story/test_task_stories.py tests/story/test_old_callers.py \
	tests/contract/test_cursor_agents_routes.py tests/contract/test_cursor_runner_conversations.py \
	tests/contract/test_cursor_runner_execute.py

# The coding agents that `make test-agents` drives. One more is a line here, and an entry in tests/agents/programs.py.
AGENTS := \
	@agentclientprotocol/claude-agent-acp@0.100.0 \
	@anthropic-ai/claude-code@2.1.330 \
	@google/gemini-cli@0.61.0 \
	@modelcontextprotocol/inspector@0.15.0 \
	@openai/codex@0.169.0 \
	@zed-industries/codex-acp@0.16.0 \
	opencode-ai@1.18.33
AGENTS_STAMP := .agents/.installed
TELEGRAM_API := .telegram-api
TELEGRAM_API_LOCK := tests/telegram_api/package.json tests/telegram_api/package-lock.json

# Two quiets: errors are shown, notes about the machine's own pip configuration are not.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input install
# uv takes seconds where pip takes a minute and a half; it does not read pip's configuration, so pip is the way out.
UV := $(VENV)/.uv
INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-header --quiet --extra postgres --extra redis --group build

# Every process of ours would compile every module again: a second of each start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run demo test test-cluster test-agents test-telegram-api check fmt bench load chaos move screenshots chat-pictures docs lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(STAMP) ## Start Wireroom on its embedded default and print the address and a login
	@exec $(BIN)/wireroom up

demo: $(STAMP) ## The same with the demo agent, port 0 and a new data folder in /tmp
	@WIREROOM_BACKEND=demo PORT=0 WIREROOM_DATA_DIR=$$(mktemp -d /tmp/wireroom-demo.XXXXXX) exec $(BIN)/wireroom up

test: $(DEV_STAMP) ## Run the tests; those of the page need Debian's chromium
	@test -x /usr/bin/chromium || \
		echo 'No chromium here: the browser tests are left out. On Debian: apt-get install chromium'
	@echo 'Left out: real coding agents (make test-agents), a Bot API that others wrote (make test-telegram-api)'
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

test-cluster: $(DEV_STAMP) ## Run the tests of the whole service on three webs and three workers: 15 min
	WIREROOM_TEST_SITE=cluster $(BIN)/python -m pytest $(CLUSTER_TESTS) --numprocesses 2 --dist worksteal $(ARGS)

test-agents: $(DEV_STAMP) $(AGENTS_STAMP) ## Drive the real coding agents, with a model that is played; needs npm
	WIREROOM_TEST_AGENTS=$(CURDIR)/.agents/node_modules/.bin \
		$(BIN)/python -m pytest tests/agents --capture=no -p no:randomly $(ARGS)

test-telegram-api: $(DEV_STAMP) $(TELEGRAM_API)/.installed ## Ask an emulator of Telegram that others wrote; needs npm
	WIREROOM_TEST_TELEGRAM_API=$(CURDIR)/$(TELEGRAM_API)/node_modules \
		$(BIN)/python -m pytest tests/telegram_api $(ARGS)

check: $(DEV_STAMP) ## Lint, format, strict types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(DEV_STAMP) ## Format, and mend what the linter can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(DEV_STAMP) ## Measure, and say on which machine, commit and fsync setting
	$(BIN)/python -m bench run $(ARGS)

load: $(DEV_STAMP) ## Play people against a service of its own: ARGS='--pattern stress'
	$(BIN)/wireroom load $(ARGS)

chaos: $(DEV_STAMP) ## Ten minutes of load on a cluster while everything fails: SEED=7 CHAOS_SECONDS=120
	WIREROOM_TEST_CHAOS_SECONDS=$(CHAOS_SECONDS) WIREROOM_TEST_SEED=$(SEED) WIREROOM_TEST_CHAOS_REPORT=$(CURDIR)/chaos-report \
		$(BIN)/python -m pytest tests/chaos --capture=no -p no:randomly $(ARGS)

move: $(DEV_STAMP) ## Move a gigabyte to PostgreSQL and back, with kills: MOVE_MB=100 KILLS=9
	WIREROOM_TEST_MOVE_MB=$(MOVE_MB) WIREROOM_TEST_MOVE_KILLS=$(KILLS) \
		$(BIN)/python -m pytest tests/acceptance/test_move.py --capture=no -p no:randomly $(ARGS)

screenshots: $(DEV_STAMP) ## Take pictures of every screen into docs/images/screens; needs Debian's chromium
	PYTHONPATH=tests $(BIN)/python -m browser.screenshots $(ARGS)

chat-pictures: $(DEV_STAMP) ## Draw answers as a chat shows them into docs/images/chat; needs Debian's chromium
	PYTHONPATH=tests $(BIN)/python -m browser.chat_pictures $(ARGS)

docs: $(DEV_STAMP) ## Check that the documents agree with the code
	$(BIN)/python -m pytest tests/docs $(ARGS)

lock: $(DEV_STAMP) ## Resolve the dependencies again, with hashes
	$(COMPILE) --group dev --output-file requirements-dev.lock
	$(COMPILE) --constraint requirements-dev.lock --output-file requirements.lock

clean: ## Remove what these targets made, but never your data
	rm -rf $(VENV) .agents $(TELEGRAM_API) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist

define need_npm
@command -v npm >/dev/null || { echo 'npm is not here; it comes with Node.js: https://nodejs.org' >&2; exit 1; }
endef

$(TELEGRAM_API)/.installed: $(TELEGRAM_API_LOCK)
	$(need_npm)
	@mkdir -p $(TELEGRAM_API)
	@cp $(TELEGRAM_API_LOCK) $(TELEGRAM_API)
	npm ci --prefix $(TELEGRAM_API) --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $@

$(AGENTS_STAMP): Makefile
	$(need_npm)
	@mkdir -p .agents
	@echo 'Installing the coding agents into .agents: about 1.2 GB.'
	npm install --prefix .agents --no-audit --no-fund --loglevel error $(AGENTS)
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo 'Wireroom needs Python 3.11 or newer. Name one: make run PYTHON=python3.12' >&2; exit 1; }
	@echo 'Setting up $(VENV): half a minute, once.'
	@if $(PYTHON) -c 'from ensurepip import version' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	else $(PYTHON) -m venv --without-pip $(VENV) \
		&& $(PYTHON) -m pip --quiet --quiet --python $(BIN)/python install pip 2>/dev/null; \
	fi || { rm -rf $(VENV); \
		echo 'Python cannot make a virtual environment here. On Debian: apt-get install python3-venv' >&2; exit 1; }

$(UV): | $(BIN)/python
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock >$@.lock
	@$(PIP) --require-hashes -r $@.lock
	@touch $@

$(STAMP): requirements.lock pyproject.toml | $(UV)
	@$(INSTALL) --require-hashes -r requirements.lock || $(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): requirements-dev.lock $(STAMP)
	@$(INSTALL) --require-hashes -r requirements-dev.lock || $(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

# What people and CI run. Needs GNU make and Python 3.11 or newer, nothing else.
#
# EINLASS_PORT (8080) and EINLASS_HOME (.local) let a second stack run beside the first.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/installed-run
DEV := $(VENV)/installed-dev
# An interpreter that cannot even start (a broken shim) does not count.
FIND_PYTHON = for name in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo $$name; exit 0; }; done; exit 1
UV := $(VENV)-uv/bin/uv

.PHONY: help up down env status install dev browser lint format format-check types imports \
	contracts contracts-check unit test chaos check bench lock clean

help: ## Show this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' \
		$(firstword $(MAKEFILE_LIST))

up: $(RUN) ## Start everything on this machine, with the demo programme, until Ctrl-C
	@exec $(BIN)/python -m deploy.local up

down: $(RUN) ## Stop what `make up` started
	@$(BIN)/python -m deploy.local down

env: $(RUN) ## Print the running stack's environment as shell exports
	@$(BIN)/python -m deploy.local env

status: $(RUN) ## List the running stack's processes
	@$(BIN)/python -m deploy.local status

install: $(RUN) ## Install what `make up` needs into .venv

dev: $(DEV) ## Install what development and the tests need into .venv

browser: $(DEV) ## See that there is a Chromium for the browser tests
	@.ci/browser $(BIN)/python

lint: $(DEV) ## Look for mistakes
	$(BIN)/ruff check .

format: $(DEV) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

format-check: $(DEV)
	$(BIN)/ruff format --check .

types: $(DEV) ## Check the types, strictly
	$(BIN)/mypy --strict services deploy tests benchmarks

imports: $(DEV) ## Check that each layer imports only what lies below
	$(BIN)/lint-imports

contracts: $(DEV) ## Write OpenAPI, AsyncAPI and JSON Schema anew from the code
	$(BIN)/einlass contracts

contracts-check: $(DEV) ## Check that the written contracts are those of the code
	$(BIN)/einlass contracts --check

unit: $(DEV) ## Run the tests that need no servers
	$(BIN)/pytest tests/unit tests/contract

test: $(DEV) browser ## Run all tests, on real servers of their own
	$(BIN)/pytest

chaos: $(DEV) ## Break everything in the middle of its work and see that nothing is lost
	EINLASS_CHAOS=1 $(BIN)/pytest tests/chaos tests/e2e/test_waitlist.py \
		tests/integration/bulk/test_killed.py

check: lint format-check types imports contracts-check test ## Everything that CI runs

bench: $(DEV) ## Measure what README's figures come from
	$(BIN)/python -m benchmarks

# The widest first: what the others lock is then taken from it, so that one is within the other.
lock: $(UV) ## Write the three lock files anew from pyproject.toml
	$(UV) pip compile $(LOCK_OPTIONS) --extra dev --output-file requirements-dev.lock pyproject.toml
	$(UV) pip compile $(LOCK_OPTIONS) --extra local --constraint requirements-dev.lock \
		--output-file requirements-local.lock pyproject.toml
	$(UV) pip compile $(LOCK_OPTIONS) --constraint requirements-dev.lock \
		--output-file requirements.lock pyproject.toml

clean: ## Remove .venv, caches and test artefacts; data in .local stays
	rm -rf $(VENV) $(VENV)-uv artifacts .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- What the targets above need -----------------------------------------------------------------

LOCK_OPTIONS := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

$(BIN)/python:
	@python=$$($(FIND_PYTHON)) || { \
		echo "Einlass needs Python 3.11 or newer, and none was found under the names python3.13," \
			"python3.12, python3.11, python3 or python. Name yours: make PYTHON=/path/to/python" >&2; \
		exit 1; }; \
	echo "Making $(VENV) with $$($$python -c 'import sys; print(sys.executable, sys.version.split()[0])') ..."; \
	$$python -m venv --clear $(VENV)

$(RUN): requirements-local.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the stack needs (once, some minutes at most) ..."
	@$(call install,requirements-local.lock)
	@touch $@

$(DEV): requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "Installing what development needs (once, some minutes at most) ..."
	@$(call install,requirements-dev.lock)
	@touch $@ $(RUN)

$(UV):
	@python=$$($(FIND_PYTHON)) && $$python -m venv $(VENV)-uv && $(VENV)-uv/bin/python -m pip install -q uv

# A virtual environment made by another tool may lack pip.
define install
$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null; \
$(BIN)/python -m pip install --disable-pip-version-check --progress-bar off \
	--require-hashes --requirement $(1) \
&& $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
	--editable .
endef

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLIENTS := .clients
# Quiet twice: errors are shown, and nothing else is.
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input install
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test test-clients check contract clean

help:  ## list the targets
	@awk -F ":.*## " "/^[a-z-]+:.*## /"' { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runs  ## play the whole story: real hubd, real agents, real git (under 20 s)
	@$(BIN)/python -m hubd.demo

test: check  ## ruff, mypy and the whole suite
	@$(BIN)/python -m pytest -n $(JOBS)

test-clients: $(VENV)/.develops $(CLIENTS)/.made  ## the real claude and codex, from npm, against a stub model server
	@$(BIN)/python -m pytest -m clients tests/clients

check: $(VENV)/.develops  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/mypy

contract: $(VENV)/.runs  ## write the generated files of the contract anew
	@$(BIN)/python -m hubd.generate

clean:  ## remove everything make and the tools have made
	rm -rf $(VENV) $(CLIENTS) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment is made once. A stamp is written only after pip has succeeded, so an interrupted install is done again.
$(VENV)/.made:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	    { echo "hubd needs Python 3.11 or newer, and $(PYTHON) is not: try 'make PYTHON=python3.12'" >&2; exit 1; }
	@$(PYTHON) -c "import ensurepip, venv" 2>/dev/null || \
	    { echo "$(PYTHON) cannot make an environment: install python3-venv (Debian, Ubuntu)" >&2; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV)
	@touch $@

$(VENV)/.runs: pyproject.toml $(VENV)/.made
	@echo "installing hubd into $(VENV)"
	@$(PIP) --editable .
	@touch $@

$(VENV)/.develops: pyproject.toml $(VENV)/.runs
	@echo "installing the development tools into $(VENV)"
	@$(PIP) --editable ".[dev]"
	@touch $@

# Versions are pinned in tests/clients. npm may leave a package's own script out; claude needs its one.
$(CLIENTS)/.made: tests/clients/package.json
	@command -v npm >/dev/null || { echo "npm is missing: install node and npm" >&2; exit 1; }
	@echo "installing claude and codex into $(CLIENTS) (about 800 MB)"
	@mkdir -p $(CLIENTS)
	@cp tests/clients/package.json $(CLIENTS)/
	@npm install --prefix $(CLIENTS) --no-audit --no-fund --no-package-lock --loglevel=error
	@cd $(CLIENTS) && node node_modules/@anthropic-ai/claude-code/install.cjs
	@touch $@

# Every target sets up .venv itself, once, from nothing but Python 3.11 or newer and the registries.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LEDGER := $(BIN)/claimledger
CASE := fixtures/overseas-service-stations

FAST := $(addprefix tests/test_, $(addsuffix .py, \
  naming log_format records dates figures search_words merkle_tree micro_examples comparison derivations disputes proposals report library))

# The tests start the program some hundred times: what Python compiled of it is kept, as where pip installs it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo check test lint bench soak fuzz known-faults fixtures clean
.DEFAULT_GOAL := demo

$(VENV)/.ready: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "claimledger needs Python 3.11 or newer; say make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: $(VENV)/.ready ## The main job on the worked case: the contested-claims report, the audit of a figure
	$(LEDGER) report -o demo-report.html
	$(LEDGER) disputes
	$(LEDGER) audit "54 stations"
	@echo; echo "The report is in demo-report.html; open it in a browser."

check: lint ## For daily work, under a minute: lint, types, imports, and the fast tests on SQLite
	$(BIN)/python -m pytest --quiet --numprocesses auto -k "not postgresql and not wheel and not type_checker" $(FAST)

test: lint ## The whole check: lint, types, import layers, tests
	$(BIN)/python -m pytest --numprocesses auto --cov --cov-report=
	$(BIN)/python -m coverage report --skip-covered --sort=cover | tail -n 30
	$(BIN)/python -m coverage report --fail-under=90 --format=total

lint: $(VENV)/.ready-dev ## Lint, format, types and import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.ready-dev ## Speed on both stores (or STORE=sqlite, STORE=postgresql), as ratios against a floor in the same run
	$(BIN)/python -m bench $(if $(STORE),--store $(STORE)) --write docs/performance.md
	$(BIN)/python -m bench.writers --write docs/scale.md

soak: $(VENV)/.ready-dev ## Thirty writers and sixty readers for ten minutes, 500 kills, on both stores
	$(BIN)/python -m bench.soak
	FAULTS_KILLS=500 $(BIN)/python -m pytest --numprocesses auto tests/faults

fuzz: $(VENV)/.ready-dev ## Every reader fed with anything, a million times in all (or FUZZ=...); every law 20 times as often (or TRIALS=...)
	FUZZ=$${FUZZ:-1000000} $(BIN)/python -m pytest --numprocesses auto tests/fuzz
	TRIALS=$${TRIALS:-20} $(BIN)/python -m pytest --numprocesses auto -m at_random

known-faults: $(VENV)/.ready-dev ## What is installed against the list of known vulnerabilities; needs the network
	$(PYTHON) -m venv $(VENV)/pip-audit
	$(VENV)/pip-audit/bin/python -m pip install --quiet --disable-pip-version-check 'pip-audit>=2.7,<3'
	$(BIN)/python -m pip freeze --exclude-editable > $(VENV)/installed.txt
	$(VENV)/pip-audit/bin/pip-audit --strict --disable-pip --no-deps --requirement $(VENV)/installed.txt

fixtures: $(VENV)/.ready ## Rebuild ledger.db from fixtures/
	$(BIN)/python fixtures/build.py

clean:
	rm -rf $(VENV) demo-report.html .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage

# Needs Python 3.11 or later, make, and a package index for the first installation.
PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help install run test test-fast test-server lint ui clean explorer-vendor

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.venv/installed: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip uninstall --quiet --yes harness  # the distribution of version 0.1
	$(BIN)/pip install --quiet --editable '.[dev]'
	$(BIN)/python -c 'import umap'  # compiles its caches once, here rather than in the first run
	touch .venv/installed

install: .venv/installed  ## create .venv and install the project with its development tools

run: install  ## a quick look: four z-scores on the simulated screen, compared
	$(BIN)/python -m harness +experiment=origin_four
	$(BIN)/python -m harness.compare demo --each
	@echo
	@echo 'This was a quick look. With verdicts: $(BIN)/python -m harness -m +norm=raw,dmso_within,all_within,dmso_across'
	@echo 'To see metrics, figures and tables of every run: make ui, then open the link above.'

# Each file of tests in one of as many processes as there are cores; with compiled files, also where they are switched off.
CORES = $(shell $(PYTHON) -c 'import os; print(os.cpu_count())')
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses $(CORES) --dist loadfile --no-loadscope-reorder

test: install  ## run the tests
	$(PYTEST)

test-fast: install  ## run the tests that take no more than a few seconds each, in two to three minutes
	$(PYTEST) -m 'not slow'

test-server: install  ## run the tests that need real servers: PostgreSQL (package postgresql) and MLflow, on loopback
	$(BIN)/pip install --quiet --editable '.[dev,server]'
	HARNESS_TEST_SERVER=1 $(BIN)/python -m pytest tests/server

lint: install  ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ui: install  ## open the MLflow UI on the recorded runs, on this machine only
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlruns/mlflow.db --host 127.0.0.1

clean:  ## remove .venv and caches; recorded runs stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

explorer-vendor:  ## build the drawing library of the explorer anew (needs node and npm)
	cd harness/explore/vendor && npm ci && node build.mjs && rm -rf node_modules

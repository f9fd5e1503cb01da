# install  everything the commands below need (the default)
# demo   watch a focus group meet four recommenders (installs what it needs)
# test   the test suite
# check  lint, types and tests: what CI runs
# certify  fidelity certificates of movies and groceries, behaviour model alone
# test-ray  runs on a local Ray cluster of two nodes
# bench  the benchmarks that need no GPU; FIGURES=docs/benchmarks keeps their JSON there
# docs   the list of files in docs/architecture.md, figures of certificates and benchmarks
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := install
.PHONY: install demo test check certify bench test-ray docs clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q 'setuptools>=77'
	$(BIN)/python -m pip install -q -e '.[demo]'
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install -q 'setuptools>=77'
	$(BIN)/python -m pip install -q -e '.[dev,text,hub]'
	touch $@ $(VENV)/.demo

install: $(VENV)/.demo

demo: $(VENV)/.demo
	$(BIN)/focusgroup models get smollm2
	$(BIN)/focusgroup demo

test: $(VENV)/.dev
	$(BIN)/focusgroup models get smollm2
	$(BIN)/python -m pytest

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) test

certify: $(VENV)/.demo
	$(BIN)/focusgroup certify --data movies --users 100 --out certificates/movies
	$(BIN)/focusgroup certify --data groceries --users 100 --out certificates/groceries

# Raw JSON is kept in $(FIGURES): make bench FIGURES=docs/benchmarks && make docs
FIGURES ?= build/benchmarks
BENCHES := loop http_client barriers tokens journal decisions

bench: $(VENV)/.dev
	$(BIN)/focusgroup models get smollm2
	mkdir -p $(FIGURES)
	for name in $(BENCHES); do \
	    $(BIN)/python benchmarks/$$name.py > $(FIGURES)/$$name.json || exit 1; \
	    cat $(FIGURES)/$$name.json; \
	done

test-ray: $(VENV)/.dev
	$(BIN)/python -m pip install -q -e '.[ray]'
	FOCUSGROUP_TEST_RAY=1 $(BIN)/python -m pytest tests/cluster

docs: $(VENV)/.dev
	$(BIN)/python docs/list_files.py
	$(BIN)/python docs/list_certificates.py
	$(BIN)/python docs/list_benchmarks.py

clean:
	rm -rf $(VENV) build dist *.egg-info

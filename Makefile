# install  everything the commands below need (the default)
# demo   watch a focus group meet four recommenders (installs what it needs)
# test   the test suite
# check  lint, types and tests: what CI runs
# certify  fidelity certificates of movies and groceries, behaviour model alone
# test-vllm  real engines: vLLM by HTTP and in process, llama.cpp, transformers (an environment
#        of its own, 3.5 GB)
# test-ray  runs on a local Ray cluster of two nodes
# bench  the benchmarks that need no GPU; FIGURES=docs/benchmarks keeps their JSON there
# bench-vllm, bench-ray  the same for vLLM on this processor, and for Ray
# docs   the list of files in docs/architecture.md, figures of certificates and benchmarks
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
VLLM   := .venv-vllm
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := install
.PHONY: install demo test check certify bench bench-vllm bench-ray test-vllm test-ray docs clean

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
BENCHES := loop http_client barriers tokens journal backend decisions

bench: $(VENV)/.dev
	$(BIN)/focusgroup models get smollm2
	mkdir -p $(FIGURES)
	for name in $(BENCHES); do \
	    $(BIN)/python benchmarks/$$name.py > $(FIGURES)/$$name.json || exit 1; \
	    cat $(FIGURES)/$$name.json; \
	done

bench-vllm:
	PYTHON=$(PYTHON) tests/servers/provision.sh
	mkdir -p $(FIGURES)
	VLLM_CPU_KVCACHE_SPACE=1 $(VLLM)/bin/python benchmarks/backend.py --backend vllm \
	    --model '$(VLLM)/models/smollm2?enforce_eager=true&max_model_len=4096&max_num_seqs=16' \
	    --users 8 --in-flight 8 > $(FIGURES)/backend_vllm.json
	cat $(FIGURES)/backend_vllm.json

bench-ray: $(VENV)/.dev
	$(BIN)/python -m pip install -q -e '.[ray]'
	mkdir -p $(FIGURES)
	$(BIN)/python benchmarks/ray_scaling.py > $(FIGURES)/ray_scaling.json
	cat $(FIGURES)/ray_scaling.json

test-vllm:
	PYTHON=$(PYTHON) tests/servers/provision.sh
	FOCUSGROUP_ENGINES=all $(VLLM)/bin/python -m pytest tests/servers -v

test-ray: $(VENV)/.dev
	$(BIN)/python -m pip install -q -e '.[ray]'
	FOCUSGROUP_TEST_RAY=1 $(BIN)/python -m pytest tests/cluster

docs: $(VENV)/.dev
	$(BIN)/python docs/list_files.py
	$(BIN)/python docs/list_certificates.py
	$(BIN)/python docs/list_benchmarks.py

clean:
	rm -rf $(VENV) build dist *.egg-info

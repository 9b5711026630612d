# `make demo` and `make test` need Python >= 3.11 and a network for the first run, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo serve test check audit bench clean

demo: $(VENV)/.tgn ## Recommend, train a small network and evaluate on the simulated demo world
	$(BIN)/graphrec demo

serve: $(VENV)/.serve ## Serve the demo world on this machine: http://127.0.0.1:8000
	$(BIN)/graphrec serve --open

test: check ## Lint, types, floors, tests with coverage
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile \
		--cov --cov-report=term:skip-covered --cov-fail-under=95

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive graphrec

audit: $(VENV)/.dev ## Look up known faults of the packages that are installed; needs a network
	$(BIN)/pip-audit --progress-spinner off --skip-editable

bench: $(VENV)/.dev ## Measure speed against peers; writes benchmarks/results
	for name in cowatch_build cowatch_absorb walk_steps recommend_latency tgn_absorb \
		rank_features rank_scoring slate_arrange sparse_retrieval pipeline_latency; do \
		$(BIN)/python -m benchmarks.$$name || exit 1; done

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "graphrec needs Python >= 3.11; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

# PyTorch comes from whatever index pip is set to; a build for the CPU is enough.
$(VENV)/.tgn: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[tgn]'
	touch $@

$(VENV)/.serve: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[serve]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	touch $@ $(VENV)/.tgn $(VENV)/.serve

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis htmlcov .coverage

# Needs only make and Python 3.11 or newer. `make help` lists what there is.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is installed is compiled on every core, where pip would do it on one. A file that cannot be is no module.
install = $(BIN)/python -m pip install --quiet --no-compile
compile = $(BIN)/python -m compileall -q -j 0 $(VENV)/lib > /dev/null || true
# Weights, encodings and downloads; kept apart from .venv, so that a new environment does not fetch them again.
export ROUTENLP_CACHE_DIR ?= $(CURDIR)/.cache/routenlp

.DEFAULT_GOAL := help
.PHONY: help run serve test check bench clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

run: $(VENV)/.installed-bench ## serve six real tasks from three tiers, ask them over HTTP, and show what that saved
	$(BIN)/routenlp demo

serve: $(VENV)/.installed-bench ## leave that gateway up for your own client; Ctrl-C stops it
	$(BIN)/routenlp demo --serve

# Every core has a process of tests, so that a second thread of linear algebra only waits and spins. Compiled modules
# are kept, whatever the environment says: some hundred processes load them.
test: $(VENV)/.installed-dev ## every test; those that need data or weights that cannot be had are skipped
	@for weights in minilm smollm2; do $(BIN)/routenlp data get $$weights \
	  || echo "No weights of $$weights: tests that need them skip, or fail under ROUTENLP_REQUIRE_DATA=1." >&2; done
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= \
	  $(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev ## formatting, lint, types and layers
	$(BIN)/ruff format --check src tests
	$(BIN)/ruff check src tests
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

# Each bench runs, whatever those before it found; a missed check fails the whole at the end.
bench: $(VENV)/.installed-dev ## every benchmark, with its figures in bench-results/
	@mkdir -p bench-results; missed=; \
	for name in six-tasks guarantees off-policy calibration-size backtests router store loop promotion fresh-domain pilot streaming; do \
	  $(BIN)/routenlp bench $$name --json bench-results/$$name.json || missed="$$missed $$name"; \
	done; \
	test -z "$$missed" || { echo "Missed a check, or could not run:$$missed"; exit 1; }

clean: ## remove the environment and caches, not the downloaded weights
	rm -rf $(VENV) bench-results .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here. Name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	  "routenlp needs Python 3.11 or newer, and this is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2])'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make environments: install its venv module (on Debian python3-venv)." >&2; exit 1; }

# What development needs includes what the bench needs. A file of constraints pins the versions that were
# tested under one version of Python; under any other the newest versions are taken.
$(VENV)/.installed-dev: $(BIN)/python pyproject.toml $(wildcard constraints-*.txt)
	@pins="constraints-$$($(BIN)/python -c 'import sys; print("py%d%d" % sys.version_info[:2])').txt"; \
	  pins="$$(test -f $$pins && echo "-c $$pins")"; set -x; $(install) $$pins -e '.[dev,train]' || \
	  { $(install) $$pins -e '.[dev]' && echo \
	  "No torch for processors here: tests of the paper's network skip. See docs/decisions/dependencies.md." >&2; }
	@$(compile)
	@touch $(VENV)/.installed-bench $@

$(VENV)/.installed-bench: $(BIN)/python pyproject.toml $(wildcard constraints-*.txt)
	@pins="constraints-$$($(BIN)/python -c 'import sys; print("py%d%d" % sys.version_info[:2])').txt"; \
	  set -x; $(install) $$(test -f $$pins && echo "-c $$pins") -e '.[bench]'
	@$(compile)
	@touch $@

# `make` lists the targets. Each one prepares the environment it needs.

VENV ?= .venv
RUN := $(VENV)/bin/python
WORKERS ?= 2
COUNT ?= 20000
SEED ?= 0
DEMO_OUT ?= build/demo
export PYTHON VENV DEMO_OUT

.DEFAULT_GOAL := help
.PHONY: help venv demo examples docs test test-linkers test-versions mutate fuzz lint types format build-check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo
	@echo 'Variables: PYTHON=python3.13 (the interpreter of a new environment), VENV=.venv,'
	@echo '           ARGS="-k name" (for test and demo), WORKERS=2 (for test),'
	@echo '           COUNT=20000, SEED=0 (for fuzz).'

venv: ## make or refresh the environment (does nothing when it is up to date)
	@bash .ci/make_venv

demo: venv ## run the demo; ARGS="..." is handed on, DEMO_OUT names a folder for its pictures
	@mkdir -p "$$DEMO_OUT"
	$(RUN) examples/demo.py $(ARGS)

examples: venv ## run every story in full and write the gallery page; ARGS="name" for some
	$(RUN) benchmarks/gallery.py $(ARGS)

docs: venv ## build the site in build/docs; a warning is an error
	$(RUN) -m sphinx -q -W --keep-going -b html -d build/doctrees docs build/docs

test: venv ## run the tests in parallel; ARGS="-k name" is handed on to pytest
	$(RUN) -m pytest -n $(WORKERS) $(ARGS)

test-versions: venv ## a fast part of the tests with every PyTensor supported; ARGS="3.3.6" for some
	$(RUN) .ci/test_versions.py $(ARGS)

test-linkers: venv ## the tests of the families under every linker: half an hour more
	$(RUN) -m pytest -n $(WORKERS) --all-linkers $(ARGS)

fuzz: venv ## random graphs: COUNT of them, from the seed SEED on; ARGS="--known" is handed on
	$(RUN) tests/fuzz_report.py --count $(COUNT) --seed $(SEED) $(ARGS)

mutate: venv ## break each rule and kernel, and see that tests notice: an hour; ARGS="--only name"
	$(RUN) tests/mutation.py $(ARGS)

lint: venv ## ruff: rules and format, nothing is changed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

# The link lets mypy see this folder as the package `pytensor_stabilize`.
types: venv ## mypy on the package and on the examples
	@mkdir -p .typing && ln -sfn .. .typing/pytensor_stabilize
	$(RUN) -m mypy -p pytensor_stabilize
	$(RUN) -m mypy --follow-imports=silent --explicit-package-bases examples

format: venv ## ruff: repair what it can, then format
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

build-check: venv ## build wheel and sdist, check what is in them, import the wheel elsewhere
	$(RUN) .ci/check_dist.py

clean: ## remove what was built or cached; the environment stays
	rm -rf build dist *.egg-info .typing .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

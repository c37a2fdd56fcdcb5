PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help run test lint fix lock clean fresh chaos flash bench

help:  ## what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

.venv/.made: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("bcbridge needs Python 3.11 or newer; this is %s. Set PYTHON=python3.11" % sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	PYTHONWARNINGS=ignore $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

run: .venv/.made  ## the bridge and its sandbox, live; Ctrl-C ends it, again goes on
	@exec $(BIN)/bcbridge run

fresh: .venv/.made  ## the same, from an empty store and an empty sandbox
	@exec $(BIN)/bcbridge run --fresh

test: .venv/.made  ## the whole suite
	@# hundreds of processes start: each of them would compile everything anew
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

chaos: .venv/.made  ## the proof: 5,000 orders under kills and faults, judged (ARGS="--orders N --seed N")
	@exec $(BIN)/python -m tests.chaos $(ARGS)

flash: .venv/.made  ## a flash sale over three shops: oversold, refused, the race (ARGS="--only split")
	@exec $(BIN)/python -m tests.flash $(ARGS)

bench: .venv/.made  ## speed and size, measured: writes docs/benchmarks.md (ARGS="--quick", "--only intake")
	@exec $(BIN)/python -m tests.bench $(ARGS)

lint: .venv/.made  ## ruff, mypy --strict, import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: .venv/.made  ## format and mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-header \
    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

lock: .venv/.made  ## write requirements.lock anew, and the part of it that production needs
	$(COMPILE) --all-extras --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraint requirements.lock --output-file requirements-run.lock pyproject.toml

clean:  ## remove what was built, not what was remembered
	rm -rf .venv .venv-bench build *.egg-info .pytest_cache .mypy_cache .ruff_cache

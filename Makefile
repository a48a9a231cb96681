# Everything a machine with Python 3.11+, git, make and pip needs: `make demo` shows the product, `make test` proves it.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready

.PHONY: demo test test-long bench lint types imports unit lock clean

demo: $(READY)  ## a fake CRM and a fake HR system, six monthly syncs, the KPI table
	$(BIN)/connector demo

test: $(READY) lint types imports unit  ## all checks, as CI runs them

lint: $(READY)
	$(BIN)/ruff check connector adapters tests benchmarks examples

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports

unit: $(READY)
	$(BIN)/pytest -m "not long" -q -n 3 --dist loadfile --no-loadscope-reorder

test-long: $(READY)  ## the long proofs: up to an hour on two cores
	$(BIN)/pytest -m long -q -n 3 --dist worksteal

bench: $(READY)  ## the connector beside dlt, Singer and a script, written to docs/performance.md: under an hour
	$(BIN)/python -m benchmarks --write

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(READY)

lock: $(READY)  ## write requirements.lock anew from pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --upgrade --extra dev --extra postgres --generate-hashes --no-emit-index-url \
	  --no-header --universal pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

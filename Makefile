# Everything sets itself up from nothing: python3 with venv, make and git are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test check docs samples bench clean

demo: $(VENV)/.core  ## audit the sample dataset
	$(BIN)/dsq audit sample_datasets/potholes-coco.zip --fail-on never

test: $(VENV)/.dev  ## every test
	$(BIN)/python -m pytest

check: $(VENV)/.dev  ## lint, types, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

docs: $(VENV)/.dev  ## write what the pages quote from the program
	$(BIN)/python docs/refresh.py
	$(BIN)/python docs/draw.py

samples: $(VENV)/.core  ## render sample_datasets again
	$(BIN)/python sample_datasets/render.py

bench: $(VENV)/.dev  ## measure; writes docs/benchmarks.md
	$(BIN)/python -m benchmarks

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(PIP) --editable '.[dev,train]'
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info

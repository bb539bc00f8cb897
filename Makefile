# Two commands to know: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.installed  ## Install everything into .venv (about 5 GB: torch brings its CUDA build)

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,fid,onnx,serve]'
	touch $@

demo: $(VENV)/.installed  ## Draw characters, serve, crawl, crop, label, train, score, generate (DEMO="--help" for options)
	$(BIN)/python -m demo $(DEMO)

test: $(VENV)/.installed  ## Run the tests
	$(BIN)/python -m pytest $(TEST)

lint: $(VENV)/.installed  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## Remove the demo's workspace
	rm -rf demo-run

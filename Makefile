# Two commands to know: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?=
TEST ?=
JOBS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile
OPENCV_BOUNDS := $(shell sed -n 's/.*"opencv-python\([^"]*\)".*/\1/p' pyproject.toml)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint format lock clean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.installed  ## Install everything into .venv (about 5 GB: torch brings its CUDA build)

# OpenCV's usual wheel wants libGL, which servers and containers lack. Both wheels own the folder
# cv2, so the second is installed by force: pip believes it complete when only the first has gone.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[dev,fid,onnx,serve]'
	$(BIN)/python -c 'import cv2' || { \
	    echo 'opencv-python cannot be imported here: opencv-python-headless takes its place' && \
	    $(BIN)/python -m pip uninstall --quiet --yes opencv-python && \
	    $(BIN)/python -m pip install --quiet --force-reinstall --no-deps \
	        'opencv-python-headless$(OPENCV_BOUNDS)' && \
	    $(BIN)/python -c 'import cv2'; }
	touch $@

demo: $(VENV)/.installed  ## Draw characters, serve, crawl, crop, label, train, score, generate (DEMO="--help" for options)
	$(BIN)/python -m demo $(DEMO)

test: $(VENV)/.installed  ## Run the tests but for the slow ones (TEST="tests/eval -x" for some; JOBS=4 for more at once)
	$(PYTEST) -m "not slow" $(TEST)

test-all: $(VENV)/.installed  ## Run all tests
	$(PYTEST) $(TEST)

lint: $(VENV)/.installed  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(VENV)/.installed  ## Write requirements-dev.lock: the versions in .venv
	sed -i '/^[^#]/d' requirements-dev.lock
	$(BIN)/python -m pip freeze --exclude-editable >> requirements-dev.lock

clean:  ## Remove the demo's workspace
	rm -rf demo-run

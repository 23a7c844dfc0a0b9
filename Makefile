.DEFAULT_GOAL := help
SHELL := /bin/bash
BIN := .venv/bin
FOLDER ?= samples
STAMP := .venv/.installed
.PHONY: help setup demo up down worker status test test-fast test-live lint fix lock bench clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## Make .venv from the hashed lock file (needs Python 3.11 and the package registry)

$(STAMP): requirements.lock requirements.bootstrap.lock pyproject.toml scripts/setup.sh
	@scripts/setup.sh

demo: $(STAMP)  ## Samples (or FOLDER=~/my-invoices) -> rows in Postgres through Airflow, on this machine alone
	@$(BIN)/ocr-ops demo "$(FOLDER)"

up: $(STAMP)  ## Start the Airflow UI, scheduler, DAG processor and triggerer on localhost
	@$(BIN)/ocr-ops up

down: $(STAMP)  ## Stop what `make up` and `make demo` started, Postgres included
	@$(BIN)/ocr-ops down

worker:  ## On a GPU host, without Docker: one OCR server a GPU (MODEL=... GPUS=0,1 PORT=8000), in .venv-worker
	@scripts/worker.sh

test: $(STAMP)  ## All tests, with branch coverage (no internet, GPU or Docker needed)
	@$(BIN)/pytest --cov --cov-report=term -q

test-fast: $(STAMP)  ## Tests that need neither Postgres nor Airflow nor OCR models
	@$(BIN)/pytest -q -m "not postgres and not airflow and not ocr and not slow"

test-live: $(STAMP)  ## The OCR client against a real vLLM server (docs/live_tests.md)
	@[ -n "$$OCR_OPS_LIVE_VLLM$$OCR_OPS_LIVE_URL" ] || { echo "make test-live needs a server: see docs/live_tests.md, in short:" >&2; \
	  echo "  scripts/install_vllm_cpu.sh ~/vllm-cpu && OCR_OPS_LIVE_VLLM=~/vllm-cpu make test-live" >&2; exit 2; }
	@$(BIN)/pytest -q -s tests/live

lint: $(STAMP)  ## Check style, types and import layers; changes nothing
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=plugins $(BIN)/lint-imports --no-cache
	@! grep -nE 'https?://|--(extra-)?index-url|--find-links' requirements.lock requirements.bootstrap.lock

fix: $(STAMP)  ## Format and repair what ruff can
	@$(BIN)/ruff check --fix-only -q . && $(BIN)/ruff format -q .

lock: $(STAMP)  ## Resolve pyproject.toml again into requirements.lock (hashes, no addresses)
	@$(BIN)/uv pip compile -q pyproject.toml --extra dev --extra celery --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header -o requirements.lock

bench: $(STAMP)  ## Quick run of every benchmark that this machine has the tools for
	@for b in benchmarks/[a-z]*.py; do echo "== $$b"; $(BIN)/python "$$b" --quick; rc=$$?; [ $$rc = 0 ] || [ $$rc = 2 ] || exit 1; done

clean: $(STAMP)  ## Stop everything and delete what runs wrote (var/); keeps .venv
	@$(BIN)/ocr-ops down --delete

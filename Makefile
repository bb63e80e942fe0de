# Two commands on a fresh machine: `make demo` and `make test`. Both set up .venv themselves.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := $(shell find samplebench -type f -not -name '*.pyc') checkpoints.toml pyproject.toml README.md
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

# A file's tests stay in one process, so that what they share is made once.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-all lint types baseline docs dist clean

## Sweep two trained models, a VP and an ADM one, with their samplers; then open the report.
demo: .venv/installed
	$(BIN)/samplebench run --model digits-vp,digits-adm --nfe 5,10,20 --seed 0 --out reports/demo

## Style, types, the committed curves, and every test but the slow ones.
test: lint types baseline
	$(PYTEST) -m "not slow"

## The slow ones too.
test-all: lint types baseline
	$(PYTEST)

lint: .venv/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/tested
	$(BIN)/mypy

## Recomputes the curves of benchmarks/baselines and fails if one moved.
baseline: .venv/tested
	rm -rf build/baseline
	$(BIN)/samplebench run --config benchmarks/baselines/digits-exact.toml --out build/baseline
	$(BIN)/samplebench check build/baseline --baseline benchmarks/baselines/digits-exact.csv --subset
	rm -rf build/fast
	$(BIN)/samplebench run --config benchmarks/baselines/fast.toml --out build/fast
	$(BIN)/samplebench check build/fast --baseline benchmarks/baselines/fast.csv
	rm -rf build/every
	$(BIN)/samplebench run --config benchmarks/baselines/samplers.toml --out build/every --quiet
	$(BIN)/samplebench run --model digits-exact --sampler pc,pc-batch --nfe 42 --num-samples 128 \
		--out build/every --quiet
	$(BIN)/samplebench check build/every --baseline benchmarks/baselines/samplers.csv

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(PIP) --upgrade pip

# A plain installation, not an editable one: tests run what a user gets.
.venv/installed: .venv/bin/python constraints.txt $(SOURCES)
	$(PIP) .
	touch $@

.venv/tested: .venv/installed
	$(PIP) ".[dev]"
	$(PIP) --no-deps torch-fidelity
	touch $@

.venv/documented: .venv/installed
	$(PIP) ".[docs]"
	touch $@

## The documentation as a site in build/site; a link that leads nowhere is an error.
docs: .venv/documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

## The wheel and the source distribution in dist.
dist: .venv/tested
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache

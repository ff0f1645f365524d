# Each target sets up all it needs; Python 3.11 or newer and make are enough.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo web-demo test check format mutants characteristics bench clean docs site release

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	$(BIN)/equipoise warm-up
	@touch $@

demo: $(READY)
	$(BIN)/equipoise run smoking-cessation --out out/smoking-cessation --force
	$(BIN)/equipoise run ketamine-mbrp-cocaine --seed 20190624 --out out/ketamine-mbrp-cocaine --force

web-demo: $(READY)
	$(BIN)/equipoise demo $(P)

test: $(READY)
	$(BIN)/python -m pytest -n 2 -m "not characteristics" --ignore tests/docs

check: $(READY)
	$(BIN)/ruff format --check src tests benchmarks docs release
	$(BIN)/ruff check src tests benchmarks docs release
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n 2 tests/docs

format: $(READY)
	$(BIN)/ruff format src tests benchmarks docs release
	$(BIN)/ruff check --fix src tests benchmarks docs release

docs: $(READY)
	$(BIN)/python docs/generate.py

release: $(READY)
	rm -rf dist
	$(BIN)/python -m build --no-isolation --outdir dist
	$(BIN)/python release/bill_of_materials.py dist/bill-of-materials.cdx.json
	cp constraints.txt dist/

site: $(READY)
	$(BIN)/python docs/site/build.py

mutants: $(READY)
	$(BIN)/python tests/mutants/run.py
	$(BIN)/python tests/mutants/sample.py

characteristics: $(READY)
	$(BIN)/python -m pytest -n 2 -m characteristics

bench: $(READY)
	$(BIN)/python benchmarks/run_all.py

clean:
	rm -rf $(VENV) out build dist

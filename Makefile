# Two commands do the work: `make review` and `make test`. Both set up .venv when it is missing or out of date.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NOTEBOOKS := $(wildcard notebooks/*.ipynb)
PERIOD ?= 2025Q4
LEDGER ?= data/sample
POLICY ?= data/policies/2025-baseline.toml
CHALLENGER ?= data/policies/2025-tighter.toml

# A notebook kernel and BLAS on two cores: more threads than that only wait for each other.
export OMP_NUM_THREADS ?= 2

.PHONY: help setup spark review backtest test coverage torture lint format docs sample constraints clean audit sbom wheel

help:
	@echo "make review     quarterly credit-policy review of LEDGER for PERIOD under POLICY -> reports/PERIOD"
	@echo "make backtest   replay POLICY and CHALLENGER on LEDGER -> reports/backtest"
	@echo "make test       unit tests, doctests, notebooks; seconds per file, share of lines run"
	@echo "make coverage   tests with the share of lines run, on any Python; takes twice as long before 3.12"
	@echo "make torture    kill, starve and deceive it for an hour -> docs/reliability.md"
	@echo "make lint       ruff, mypy, notebooks without outputs"
	@echo "make format     let ruff rewrite the code"
	@echo "make docs       the documentation as a site -> site/index.html"
	@echo "make sample     make data/sample again"
	@echo "make audit      known vulnerabilities (needs the network) and licences of all packages; run it by schedule"
	@echo "make sbom       bill of materials (CycloneDX) -> dist/sbom.cdx.json"
	@echo "make wheel      build the wheel, install it into an empty environment, make a workbench and a review there"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || { echo "credit_lab needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python tools/install.py --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

# Optional: ledgers on Spark (needs Java).
spark: $(VENV)/.spark

$(VENV)/.spark: $(READY) constraints-spark.txt
	@$(BIN)/python tools/install.py --require-hashes --no-deps -r constraints-spark.txt
	touch $@

review: $(READY)
	$(BIN)/credit-lab review --ledger $(LEDGER) --policy $(POLICY) --period $(PERIOD) --out reports

backtest: $(READY)
	$(BIN)/credit-lab backtest --ledger $(LEDGER) --policy $(POLICY) --policy $(CHALLENGER) --out reports

# Two files of tests at a time, each whole, since its tests share what they need. JOBS=0: one after another.
JOBS ?= 2
TESTED := $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder
# From Python 3.12 on the interpreter itself says which lines were run; before, counting them nearly doubles the time.
COUNTED = $(shell $(BIN)/python -c "import sys; print('--cov --cov-report=' if sys.version_info >= (3, 12) else '')")
test: $(READY)
	COVERAGE_CORE=sysmon $(TESTED) $(COUNTED)
	$(if $(COUNTED),$(BIN)/python -m coverage report,@echo "lines run: from Python 3.12 on, or by make coverage")
	$(if $(NOTEBOOKS),$(TESTED) --nbval-lax --override-ini addopts= --override-ini filterwarnings= notebooks)

coverage: $(READY)
	$(TESTED) --cov --cov-report=
	$(BIN)/python -m coverage report

# Long: hundreds of kills, a million hostile inputs, ten million invoices.
torture: $(READY)
	$(BIN)/python tools/torture.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(if $(NOTEBOOKS),$(BIN)/nbstripout --verify --extra-keys "metadata.papermill cell.metadata.papermill cell.metadata.execution metadata.language_info" $(NOTEBOOKS))

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

sample: $(READY)
	$(BIN)/credit-lab sample --out data/sample --overwrite

audit: $(READY)
	$(BIN)/python tools/supply.py audit
	$(BIN)/python tools/supply.py licences

sbom: $(READY)
	$(BIN)/python tools/supply.py sbom

# WHEELHOUSE is made anew: nothing of the checkout may help the installed package along.
WHEELHOUSE := .cache/wheel
wheel: $(READY)
	rm -rf $(WHEELHOUSE) build dist/*.whl
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	$(PYTHON) -m venv $(WHEELHOUSE)/env
	@$(WHEELHOUSE)/env/bin/python tools/install.py --require-hashes -r constraints.txt
	$(WHEELHOUSE)/env/bin/python -m pip install --quiet --disable-pip-version-check --no-deps dist/*.whl
	env -u PYTHONPATH $(WHEELHOUSE)/env/bin/credit-lab start $(WHEELHOUSE)/lab
	cd $(WHEELHOUSE)/lab && env -u PYTHONPATH ../env/bin/credit-lab review --quiet

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build site *.egg-info

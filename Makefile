# Everything a newcomer or CI needs. `make` alone prints this help.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Most tests wait for processes; files run side by side. The demo has a dozen processes of its own: it runs alone.
JOBS ?= 2
SIDE_BY_SIDE := -n $(JOBS) --dist loadfile
DEMO := tests/integration/test_demo.py
COVERED := COVERAGE_FILE=.coverage-protocol $(BIN)/coverage
PROTOCOL_COVERAGE_MIN := 98.5
FORGE_MODULES := contracts/node_modules/.installed
# slither and halmos need older versions of what the product uses, so they have an environment of their own.
AUDIT := .tools/contracts
AUDIT_BIN := $(CURDIR)/.tools/bin:$(CURDIR)/$(AUDIT)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test coverage coverage-protocol explore mutants check format protos contracts-test contracts-test-deep contracts-build slither halmos bench clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

demo: $(STAMP) ## Run the whole product on this machine (writes demo-summary.json)
	$(BIN)/commonhold demo

test: $(STAMP) ## Check format, types and structure, then run all Python tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(MAKE) --no-print-directory coverage-protocol
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) --ignore=$(DEMO) --ignore=tests/unit
	$(BIN)/python -m pytest $(DEMO)

# The rules are what everybody has to trust. Unit tests alone reach nearly all of them, and are quick enough
# to be traced every time; the floor lies just below what was measured.
coverage-protocol: $(STAMP) ## Run the unit tests; fail if they leave much of protocol/ out
	rm -f .coverage-protocol*
	OMP_NUM_THREADS=1 $(COVERED) run --branch --source=protocol -m pytest $(SIDE_BY_SIDE) tests/unit
	$(COVERED) combine --quiet
	$(COVERED) report --precision=1 --fail-under=$(PROTOCOL_COVERAGE_MIN)

coverage: $(STAMP) ## Run the tests with branch coverage, processes included
	$(BIN)/coverage run -m pytest --ignore=$(DEMO)
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report

explore: $(STAMP) ## Play lives of the fold that no test has played, for SECONDS=60; prints the seed that fails
	$(BIN)/python -m tests.property.explore --seconds $(or $(SECONDS),60)

mutants: $(STAMP) ## Take each rule of the fold away and see that a test notices (a quarter of an hour)
	$(BIN)/python tools/mutants.py --jobs $(JOBS)

check: $(STAMP) ## Format, types and structure only
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

protos: $(STAMP) ## Regenerate protos/gen
	$(BIN)/python -m protos.generate

contracts-test: $(FORGE_MODULES) ## Test the Solidity contracts (needs Node.js 20; contract developers and CI)
	npm test --silent --prefix contracts

contracts-test-deep: $(FORGE_MODULES) ## The same with 10^5 random calls and 25 times the fuzzing (about ten minutes)
	FOUNDRY_PROFILE=deep npm test --silent --prefix contracts

contracts-build: $(FORGE_MODULES) ## Rebuild contracts/artifacts
	npm run build --silent --prefix contracts

slither: $(AUDIT)/.installed ## Look for known mistakes in the Solidity sources
	cd contracts && FOUNDRY_PROFILE=slither PATH="$(AUDIT_BIN):$$PATH" slither .

halmos: $(AUDIT)/.installed ## Prove what no signature can change (several minutes)
	cd contracts && FOUNDRY_PROFILE=halmos PATH="$(AUDIT_BIN):$$PATH" halmos --forge-build-out out/halmos

bench: $(STAMP) ## Measure every figure that the docs claim (about a quarter of an hour)
	$(BIN)/python -m benchmarks

clean: ## Remove what make made
	rm -rf $(VENV) .tools contracts/node_modules contracts/out contracts/cache

$(STAMP): pyproject.toml requirements.lock
	@PYTHON=$(PYTHON) sh tools/preflight.sh
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(FORGE_MODULES): contracts/package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix contracts
	@touch $@

$(AUDIT)/.installed: contracts/tools/requirements.txt $(FORGE_MODULES)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check -r contracts/tools/requirements.txt
	@mkdir -p .tools/bin && ln -sf $(CURDIR)/contracts/node_modules/@foundry-rs/forge-*/bin/forge .tools/bin/forge
	@touch $@

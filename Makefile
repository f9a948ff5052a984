# Everything a newcomer or CI needs. `make` alone prints this help.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Training has an environment of its own (docs/adr/0028): commonhold finds it by its name.
TRAINING_VENV := $(VENV)-federated
TRAINING_BIN := $(TRAINING_VENV)/bin
TRAINING_STAMP := $(TRAINING_VENV)/.installed
# Only files whose hash is in a lock are installed; what has to be built is built with the locked setuptools.
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation
LOCKED := $(INSTALL) --require-hashes
# The only index that has torch for Linux without CUDA.
TORCH_INDEX := https://download.pytorch.org/whl/cpu
LOCK := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --generate-hashes \
    --python-version 3.11 $(if $(filter all,$(UPGRADE)),--upgrade,$(addprefix --upgrade-package ,$(UPGRADE)))
# Most tests wait for processes, so that two cores do three files side by side. The demo has a dozen processes of its
# own: it runs alone.
JOBS ?= 3
SIDE_BY_SIDE := -n $(JOBS) --dist loadfile --no-loadscope-reorder
DEMO := tests/integration/test_demo.py
# All but the unit tests, which run traced. Named, since pytest does not heed --ignore for one of its testpaths; in this
# order, so that files that wait for processes do not come last.
WIDER := tests/integration tests/adversarial tests/crash tests/property
COVERED := COVERAGE_FILE=.coverage-protocol $(BIN)/coverage
PROTOCOL_COVERAGE_MIN := 98.5
FORGE_MODULES := contracts/node_modules/.installed
# slither and halmos need older versions of what the product uses, so they have an environment of their own.
AUDIT := .tools/contracts
AUDIT_BIN := $(CURDIR)/.tools/bin:$(CURDIR)/$(AUDIT)/bin
# The tools of other formats bring old releases of what the product uses.
FORMATS := .tools/formats
# An accountant of privacy to compare ours with.
ACCOUNTING := .tools/accounting
SIMULATION := .tools/simulation
PEER_MODULES := tests/javascript/node_modules/.installed

# With it every process compiles all of our files anew: the demo takes twice as long, and tests run out of time.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install install-federated demo test test-federated coverage coverage-protocol explore mutants check types format protos \
    lock sbom audit javascript contracts-test contracts-test-deep contracts-build slither halmos accounting simulation round-trip bench clean

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

install: $(STAMP) ## Make the environment .venv, with every command but training
	@echo "made: . $(VENV)/bin/activate"

install-federated: $(STAMP) $(TRAINING_STAMP) ## Make the one for training beside it, too (.venv-federated)
	@echo "made: . $(VENV)/bin/activate"

demo: $(STAMP) $(TRAINING_STAMP) ## Run the whole product on this machine (writes demo-summary.json)
	$(BIN)/commonhold demo

test: $(STAMP) $(TRAINING_STAMP) ## Check format, types and structure, then run all Python tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory types
	$(MAKE) --no-print-directory coverage-protocol
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(SIDE_BY_SIDE) --ignore=$(DEMO) $(WIDER)
	$(MAKE) --no-print-directory test-federated
	$(BIN)/python -m pytest $(DEMO)

test-federated: $(TRAINING_STAMP) ## Run the tests of training, in its environment
	OMP_NUM_THREADS=1 $(TRAINING_BIN)/python -m pytest $(SIDE_BY_SIDE) tests/federated

# The rules are what everybody has to trust. Unit tests alone reach nearly all of them, and are quick enough
# to be traced every time; the floor lies just below what was measured.
coverage-protocol: $(STAMP) ## Run the unit tests; fail if they leave much of protocol/ out
	rm -f .coverage-protocol*
	OMP_NUM_THREADS=1 $(COVERED) run --branch --source=protocol -m pytest $(SIDE_BY_SIDE) tests/unit
	$(COVERED) combine --quiet
	$(COVERED) report --precision=1 --fail-under=$(PROTOCOL_COVERAGE_MIN)

coverage: $(STAMP) $(TRAINING_STAMP) ## Run the tests with branch coverage, processes included
	$(BIN)/coverage run -m pytest --ignore=$(DEMO)
	$(TRAINING_BIN)/coverage run -m pytest tests/federated
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report

explore: $(STAMP) ## Play lives of the fold that no test has played, for SECONDS=60; prints the seed that fails
	$(BIN)/python -m tests.property.explore --seconds $(or $(SECONDS),60)

mutants: $(STAMP) ## Take each rule of the fold away and see that a test notices (a quarter of an hour)
	$(BIN)/python tools/mutants.py --jobs $(JOBS)

check: $(STAMP) $(TRAINING_STAMP) ## Format, types and structure only
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(MAKE) --no-print-directory types && $(BIN)/lint-imports

# Each part is checked against the packages that it runs with.
types: $(STAMP) $(TRAINING_STAMP) ## Types only
	$(BIN)/mypy
	$(BIN)/mypy --cache-dir .mypy_cache/federated --python-executable $(TRAINING_BIN)/python \
	    $$(find federated node/training coordinator/training tests/federated -name '*.py') \
	    tests/federated_lab*.py tests/training_lab.py benchmarks/training.py benchmarks/federated*.py benchmarks/correlated_noise.py benchmarks/simulated_*.py benchmarks/stock_flower/fedavg.py \
	    benchmarks/attacks.py benchmarks/robustness.py commonhold/cli/federated*.py commonhold/cli/model.py commonhold/cli/model_log.py

format: $(STAMP) ## Format the code
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

lock: $(STAMP) ## Pin what pyproject.toml asks for, with hashes (UPGRADE="NAME …" or UPGRADE=all: newer ones), and the SBOM
	printf 'setuptools\nwheel\n' | $(LOCK) --output-file requirements-build.lock -
	$(LOCK) --extra dev --output-file requirements.lock pyproject.toml
	$(LOCK) --extra federated-dev --output-file requirements-federated.lock pyproject.toml
	$(BIN)/python -m tools.sbom

sbom: $(STAMP) ## Write sbom.cdx.json (CycloneDX) from the locks
	$(BIN)/python -m tools.sbom

audit: $(STAMP) ## Look for known vulnerabilities in what the locks pin (exits with 75 where the data cannot be had)
	$(BIN)/python -m tools.audit

protos: $(STAMP) ## Regenerate protos/gen
	$(BIN)/python -m protos.generate

javascript: $(PEER_MODULES) ## Install the peer of another library that a test puts against ours (needs Node.js 20)

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

accounting: $(STAMP) $(ACCOUNTING)/.installed ## See that no epsilon is below another accountant's (minutes)
	$(BIN)/python -m benchmarks.privacy_oracle

simulation: $(TRAINING_STAMP) $(SIMULATION)/.installed ## A thousand clients in one process, and in Flower's simulation by Ray (minutes)
	PYTHONPATH=.:$(SIMULATION) $(TRAINING_BIN)/python -m benchmarks.simulated_in_ray

round-trip: $(STAMP) $(FORMATS)/.installed ## See that no format loses anything, by its own tools (needs a gigabyte of them)
	$(BIN)/python -m benchmarks.round_trip

bench: $(STAMP) $(TRAINING_STAMP) ## Measure every figure that the docs claim (about a quarter of an hour)
	rm -f bench-results.json
	$(BIN)/python -m benchmarks
	$(TRAINING_BIN)/python -m benchmarks training

clean: ## Remove what make made
	rm -rf $(VENV) $(TRAINING_VENV) .tools contracts/node_modules contracts/out contracts/cache

# Made afresh when a lock changes: what it no longer names is gone.
$(VENV)/.locked: requirements.lock requirements-build.lock
	@PYTHON=$(PYTHON) sh tools/preflight.sh
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python $(LOCKED) -r requirements-build.lock
	$(BIN)/python $(LOCKED) -r requirements.lock
	@touch $@

# torch comes first and alone, so that no other package is looked for in its index.
$(TRAINING_VENV)/.locked: requirements-federated.lock requirements-build.lock
	@PYTHON=$(PYTHON) sh tools/preflight.sh
	$(PYTHON) -m venv --clear $(TRAINING_VENV)
	awk '/^[a-z]/ { on = /^torch==/ } on' requirements-federated.lock | \
	    $(TRAINING_BIN)/python $(LOCKED) --extra-index-url $(TORCH_INDEX) -r /dev/stdin
	$(TRAINING_BIN)/python $(LOCKED) -r requirements-build.lock
	$(TRAINING_BIN)/python $(LOCKED) -r requirements-federated.lock
	@touch $@

%/.installed: %/.locked pyproject.toml
	PYTHONWARNINGS=ignore $*/bin/python $(INSTALL) -e .
	@touch $@

%/node_modules/.installed: %/package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error --prefix $*
	@touch $@

$(ACCOUNTING)/.installed: benchmarks/requirements-accounting.txt
	$(PYTHON) -m venv $(ACCOUNTING)
	$(ACCOUNTING)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(SIMULATION)/.installed: benchmarks/requirements-simulation.txt $(TRAINING_STAMP)
	rm -rf $(SIMULATION)
	$(TRAINING_BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(SIMULATION) -r $<
	@touch $@

$(FORMATS)/.installed: benchmarks/requirements-formats.txt
	$(PYTHON) -m venv $(FORMATS)
	$(FORMATS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(AUDIT)/.installed: contracts/tools/requirements.txt $(FORGE_MODULES)
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --disable-pip-version-check -r contracts/tools/requirements.txt
	@mkdir -p .tools/bin && ln -sf $(CURDIR)/contracts/node_modules/@foundry-rs/forge-*/bin/forge .tools/bin/forge
	@touch $@

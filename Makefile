# The commands of this repository. `make help` lists them.
# Every target installs what it needs first; the second time that is instant.

SHELL := bash
# A pip that fails stops make, though its output goes through a pipe.
.SHELLFLAGS := -o pipefail -c

PYTHON ?= python3
PORT ?= 8000
WORKERS ?=
TOKEN ?=
RELOAD ?=
PROGRAMS ?=
BACKENDS ?=
DATA ?=
KEEP_DAYS ?=
KEEP_BYTES ?=
MAX_QUEUED ?=
PROGRAM_ENV ?=
# Processes that run tests. One more than there are cores: tests on a cluster mostly wait.
JOBS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
COVERAGE ?=
# How often a benchmark is run.
RUNS ?= 3

VENV ?= .venv
BIN := $(VENV)/bin
RUNTIME_READY := $(VENV)/.runtime-ready
DEV_READY := $(VENV)/.dev-ready
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input

.DEFAULT_GOAL := help
RIG := tests/cluster/rig
.PHONY: help quickstart serve check test clients docs figures recording drawings devices console-vendor bench lock format clean \
  cluster cluster-down images deploy url token kind manifests

##@ Use

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(RUNTIME_READY) ## Install, start a server, run hello-quantum on it, stream it, stop the server
	@$(BIN)/qiskit-runtime quickstart

# By the environment: a token among the arguments can be read by every user of this machine.
serve: export RUNTIME_TOKEN := $(or $(value TOKEN),$(value RUNTIME_TOKEN))
serve: $(RUNTIME_READY) ## Serve on this machine: PORT=8000 WORKERS=4 PROGRAMS= BACKENDS= DATA= KEEP_DAYS= KEEP_BYTES= MAX_QUEUED= PROGRAM_ENV= RELOAD=, TOKEN= before make
	$(if $(filter command,$(origin TOKEN)),$(warning TOKEN can be read by every user of this machine; write it before make: TOKEN=... make serve))
	@$(BIN)/qiskit-runtime serve --port $(PORT) \
	  $(if $(WORKERS),--workers $(WORKERS)) \
	  $(if $(PROGRAMS),--programs '$(PROGRAMS)') $(if $(BACKENDS),--backends '$(BACKENDS)') \
	  $(if $(DATA),--data '$(DATA)') $(if $(KEEP_DAYS),--keep-days $(KEEP_DAYS)) \
	  $(if $(KEEP_BYTES),--keep-bytes $(KEEP_BYTES)) $(if $(MAX_QUEUED),--max-queued $(MAX_QUEUED)) \
	  $(foreach name,$(PROGRAM_ENV),--program-env $(name)) $(if $(RELOAD),--reload)

##@ Run it on a cluster

cluster: ## Take KUBECONFIG's cluster, or create one with kind, or build and run one on this machine
	@$(RIG) up

cluster-down: ## Remove that cluster
	@$(RIG) down

images: ## Build the images and load them into the cluster
	@$(RIG) images

deploy: ## Install the chart with those images and wait until it is ready: DEPLOY_ARGS="--set ..."
	@$(RIG) deploy

url: ## Print the address of its API
	@$(RIG) url

token: ## Print its token
	@$(RIG) token

##@ Develop

check: $(DEV_READY) ## Lint, format, types, and the direction of dependency
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@for program in qiskit_runtime/programs/library/*/; do echo "mypy $$program"; \
	  MYPYPATH=$$program:. $(BIN)/mypy --explicit-package-bases $$program*.py || exit 1; done
	PYTHONPATH=operator $(BIN)/lint-imports

test: $(DEV_READY) ## All tests: JOBS=3 processes, COVERAGE=1, ARGS= goes to pytest
	@# Thousands of processes start; where PYTHONDONTWRITEBYTECODE is set each would compile our modules again.
	@$(BIN)/python -m compileall -q -x programs/library api operator runner qiskit_runtime
	$(BIN)/python -m pytest --numprocesses $(if $(filter 1,$(JOBS)),0,$(JOBS)) --durations=20 $(if $(COVERAGE),--cov) $(ARGS)

kind: $(DEV_READY) ## Make a kind of two nodes without a registry, deploy, run the end-to-end tests, and take nodes away
	@$(RIG) kind
	@$(RIG) images
	@$(RIG) deploy
	REQUIRE_CLUSTER=1 $(BIN)/python -m pytest -m 'cluster and not nodes' tests/e2e tests/images --numprocesses 2 --durations=5 $(ARGS)
	REQUIRE_CLUSTER=1 $(BIN)/python -m pytest -m nodes tests/faults -s

clients: $(DEV_READY) ## Install the official clients of several years from PyPI, each in an environment of its own, for tests
	@$(BIN)/python -m tests.clients.environments

docs: $(DEV_READY) ## Build the documents as a site in site/, links checked, without the internet
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	$(BIN)/python -m pytest tests/docs -k 'link or site' $(ARGS)

figures: $(DEV_READY) ## Run the tutorials in docs/, and draw their figures
	UPDATE_FIGURES=1 $(BIN)/python -m pytest tests/docs/test_tutorials.py $(ARGS)

recording: $(DEV_READY) ## Record quickstart and the console as the README's pictures (needs Chromium)
	$(BIN)/python docs/tools/record_quickstart.py
	$(BIN)/python docs/tools/record_console.py

drawings: $(DEV_READY) ## Draw the README's badges, and the Mermaid diagrams for the site (needs npm and Chromium)
	$(BIN)/python docs/tools/badges.py
	$(BIN)/python docs/tools/drawings.py

console-vendor: $(DEV_READY) ## Make the console's two libraries anew from npm
	$(BIN)/python docs/tools/console_vendor.py

devices: $(DEV_READY) ## Write the data of fakeDevice backends anew, after an update of qiskit-ibm-runtime
	$(BIN)/python docs/tools/fake_devices.py

bench: $(DEV_READY) ## The benchmarks: they print tables
	$(BIN)/python -m tests.benchmarks --runs $(RUNS)

format: $(DEV_READY) ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(DEV_READY) ## Lock the newest versions of all dependencies, with hashes
	$(PIP) install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --extra api --extra cluster --extra operator --extra runner --extra notebook --group dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra api --extra runner --group build -c requirements/dev.txt pyproject.toml -o requirements/local.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra api --extra cluster --extra operator --group build -c requirements/dev.txt pyproject.toml -o requirements/api.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	  --extra runner --group build -c requirements/dev.txt pyproject.toml -o requirements/runner.txt
	$(BIN)/python -m tests.clients.environments --lock

manifests: $(DEV_READY) ## Render the chart's README, and k8s/install.yaml for use without helm
	$(BIN)/python docs/tools/chart_readme.py
	@$(RIG) manifests

clean: ## Remove what was installed and cached here
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* *.egg-info

$(RUNTIME_READY): requirements/local.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed (PYTHON=... names one); this is " + sys.version)'
	@test -x $(BIN)/python || { echo "Making a virtual environment in $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing Qiskit, Aer and the server (about 60 packages, once) ..."
	@$(PIP) install --progress-bar on --require-hashes -r requirements/local.txt | awk '/^Collecting/ {printf "  %s\n", $$2; fflush()} /^Installing/ {print "  installing ..."; fflush()}'
	@PYTHONWARNINGS=ignore $(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV_READY): requirements/dev.txt $(RUNTIME_READY)
	@echo "Installing the tools for development ..."
	@$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

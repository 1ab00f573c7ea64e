# Everything a maintainer runs. `make` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
PYTEST := $(VENV)/bin/pytest
DEMO := build/demo
STAMP := $(VENV)/.installed
# Tests run in so many processes at once; tests/support/workers.py says which go together.
PROCESSES ?= 2

.PHONY: help demo demo-project demo-clean test lint verify bench images requirements outdated tags release-check tutorial tools clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: demo-project ## Generate a project with defaults into build/demo, start it, print its URL and two logins
	@$(MAKE) -C $(DEMO) dev

demo-project: $(STAMP)
	@if [ -e $(DEMO)/Makefile ]; then \
	  echo "Using the project in $(DEMO) ('make demo-clean' to generate it anew)."; \
	else \
	  echo "Generating a project with defaults into $(DEMO) ..."; \
	  $(VENV)/bin/copier copy --quiet --defaults --trust --vcs-ref HEAD $(ANSWERS) "$(CURDIR)" $(DEMO) 2> >(grep -v -e DirtyLocalWarning -e 'warn($$' >&2); \
	fi

demo-clean: ## Remove the demo project with its data
	rm -rf $(DEMO)

test: lint ## Every check of this repository but the slow ones of `make verify`
	@$(PYTEST) -q -n $(PROCESSES) -m "not verify"

lint: $(STAMP)
	@$(VENV)/bin/ruff check --quiet . && $(VENV)/bin/ruff format --check --quiet . && $(VENV)/bin/mypy --no-error-summary

verify: $(STAMP) ## The slow checks: a browser, Keycloak, images, load, faults, fuzzing (root; Debian packages: see .ci/run)
	@$(PYTEST) -q -n $(PROCESSES) -m verify

bench: $(STAMP) ## What `copier copy` and updates cost per file, and what a request costs in a project (ARGS="--flame-graph FILE.svg")
	@$(VENV)/bin/python scripts/bench.py
	@PYTHONPATH=tests $(VENV)/bin/python scripts/bench_updates.py
	@$(VENV)/bin/python scripts/bench_requests.py $(ARGS)

images: $(STAMP) ## What each layer of a project's images weighs (root; Debian: apt install aardvark-dns buildah debootstrap netavark podman runc)
	@$(VENV)/bin/python scripts/images.py

requirements: $(STAMP) ## Which requirement is proven by which tests
	@$(VENV)/bin/python scripts/requirements.py

outdated: $(STAMP) ## What a new project depends on, the newest of each, and what is no longer kept
	@PYTHONPATH=tests $(VENV)/bin/python scripts/outdated.py

tags: $(STAMP) ## Put vX.Y.Z on the commit of each release; what is there stays
	@$(VENV)/bin/python scripts/releases.py tag

release-check: $(STAMP) ## What a release would cost projects, compared with the last one
	@$(VENV)/bin/python scripts/check_release.py

tutorial: $(STAMP) ## Run the commands of docs/tutorials/first-update.md and write what they print into it
	@PYTHONPATH=tests $(VENV)/bin/python scripts/tutorial.py

tools: ## Build the checkers that only Go's module proxy carries (promtool, docker compose, exporters); fetch Keycloak
	@scripts/install-tools

clean: demo-clean ## Remove whatever the targets made
	rm -rf build $(VENV) .pytest_cache .ruff_cache .mypy_cache .hypothesis

$(STAMP): pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Evergreen needs Python 3.11 or later; 'python3' is $$(python3 --version 2>&1)." >&2; exit 1; }
	@test -x $(VENV)/bin/python || { echo "Creating $(VENV) ..."; python3 -m venv $(VENV); } || \
	  { echo "python3 has no venv module. On Debian: apt install python3-venv." >&2; exit 1; }
	@echo "Installing Copier and the test tools into $(VENV) ..."
	@$(VENV)/bin/pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'
	@$(VENV)/bin/uv sync --quiet --no-progress --inexact
	@touch $@

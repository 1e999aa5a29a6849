# Everything a newcomer or the CI runs. Needs Python 3.11+ and make; the rest is installed into .venv.
#
# Installation: the lock files pin every package with its hashes, so pip resolves nothing (--no-deps) and accepts
# nothing else (--require-hashes). The checkout itself is linked, not built: no build backend is fetched unpinned.
# Byte code is compiled here, in parallel and whatever PYTHONDONTWRITEBYTECODE says: imports dominate start-up.

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
CODE := aragora actors scripts benchmarks tests serve_app.py
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
INSTALL := $(PIP) install --quiet --no-compile --no-deps --require-hashes
RUN_STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
DEBIAN := $(VENV)/debian
OTHER_RAY := $(VENV)/other-ray/.installed
# Two processes, each with whole files; what runs live servers, kills or measures them has the machine for itself.
TWO := -n 2 --dist loadfile --no-loadscope-reorder
BED_PACKAGES := openssh-server openssh-client openssh-sftp-server rsync iproute2 libfaketime

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint types unit drill bed serve bench install install-dev clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: install ## debate a question (Q="...") on the embedded model, from nothing to a checked receipt
	@$(BIN)/aragora demo $${QUESTION:+"$$QUESTION"}
demo: export QUESTION := $(value Q)

test: lint types unit ## everything that must pass: lint, types, floors, all tests

unit: install-dev ## all tests, also the slow ones (real Ray, Serve, databases)
	$(BIN)/python -m pytest $(TWO) tests/unit
	$(BIN)/python -m pytest $(TWO) tests/integration --ignore tests/integration/system
	$(BIN)/python -m pytest tests/integration/system
	$(BIN)/python -m pytest tests/chaos
	$(BIN)/python -m pytest tests/cluster -m "not drill"

drill: install-dev $(OTHER_RAY) ## the long drills on the cluster's test bed (as root, on Debian)
	$(BIN)/python -m pytest tests/cluster -m drill

bed: install-dev ## the cluster's test bed, to walk about in until Ctrl-C (as root, on Debian)
	@PYTHONPATH=.:tests $(BIN)/python -m worlds.hosts

lint: install-dev ## ruff and the floors (import-linter)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: install-dev ## mypy --strict
	$(BIN)/mypy --strict

serve: install ## start the server on 127.0.0.1:8080 and :8765
	$(BIN)/aragora serve --api-port 8080 --ws-port 8765

bench: install ## debates per second on stub agents
	$(BIN)/python -m benchmarks.debates --debates 200 --concurrency 100 --latency-ms 0

install: $(RUN_STAMP) ## what the server needs, in .venv
	@:
install-dev: $(DEV_STAMP) ## what the tests need too
	@:

clean: ## remove .venv and all caches; never touches data directories
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(wildcard $(CODE)) -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@sh scripts/create_venv.sh $(VENV)

$(RUN_STAMP): requirements.lock scripts/link_checkout.py | $(BIN)/python
	@echo "Installing the locked packages (once; some minutes on a slow line) ..."
	@$(INSTALL) -r requirements.lock
	@$(BIN)/python scripts/link_checkout.py
	@touch $@

$(DEV_STAMP): requirements-dev.lock requirements.lock scripts/link_checkout.py scripts/unpack_debian_packages.sh | $(BIN)/python
	@echo "Installing the locked packages and the tools of the tests (once) ..."
	@$(INSTALL) -r requirements-dev.lock
	@$(BIN)/python scripts/link_checkout.py
	@sh scripts/unpack_debian_packages.sh $(DEBIAN) nginx prometheus
	@sh scripts/unpack_debian_packages.sh $(DEBIAN) $(BED_PACKAGES)
	@touch $(RUN_STAMP) $@

# Without it the drill of a second cluster is skipped, and says so.
$(OTHER_RAY): tests/cluster/other_ray.txt | $(DEV_STAMP)
	@rm -rf $(@D)
	@$(INSTALL) --target $(@D) -r $< && $(BIN)/python -m compileall -q -j 0 $(@D) && touch $@ || \
		echo "no other version of Ray for the drill of a second cluster" >&2

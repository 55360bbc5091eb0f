# needle_assets: `make demo` shows what it does, `make test` proves it.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help install demo test fast test-slow test-upgrade faults test-random mutants lint style types ui bench experiment docs clean

help:
	@echo "make install     a virtual environment in .venv with everything pinned"
	@echo "make demo        simulate a survey, refresh a warehouse from it, train, report, say where to look"
	@echo "make test        lint, import contracts, types, tests"
	@echo "make test-slow   faults, full fuzzing, browser, Postgres, and the property tests with a new seed"
	@echo "make test-upgrade homes of 20, 300 and 3,000 objects made by earlier commits come through (hours)"
	@echo "make faults      200 kills and 50 stops at random moments of commands that write; KILLS, STOPS and SEED may be given"
	@echo "make test-random the property tests with RUNS seeds from SEED on (both may be given)"
	@echo "make mutants     does a test notice when a line of the science or the glue is wrong?"
	@echo "make ui          Dagster on http://127.0.0.1:3000"
	@echo "make bench       costs, as ratios measured in one run"
	@echo "make docs        the documentation as a site in build/site; installs what it needs into .venv"
	@echo "make experiment  do masking and up-sampling help? 27 trainings on simulated objects, resumable"

install: $(READY)

$(READY): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with PYTHON=..."; exit 1; }
	@$(PYTHON) tools/install.py
	@touch $(READY)

demo: $(READY)
	@$(BIN)/needle demo

# Types take as long as all else, so both go side by side.
lint: $(READY)
	@$(MAKE) --no-print-directory -j2 style types

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(READY)
	$(BIN)/mypy

# As many processes as cores; the tests of one file share one, and what they prepare.
TESTERS := -n auto --dist loadfile

# Style is done before the tests are found, types long before they end.
test: $(READY)
	@$(MAKE) --no-print-directory -j3 style types fast

fast: $(READY)
	$(BIN)/pytest $(TESTERS)

test-slow: $(READY)
	$(BIN)/pytest $(TESTERS) -m slow
	$(MAKE) test-random

test-upgrade: $(READY)
	$(BIN)/pytest -m upgrade

faults: $(READY)
	$(BIN)/python -m needle_assets_tests.disturbing --kills $(or $(KILLS),200) --stops $(or $(STOPS),50) $(if $(SEED),--seed $(SEED))

SEED ?= $(shell date +%s)
RUNS ?= 1

test-random: $(READY)
	@for seed in $$(seq $(SEED) $$(($(SEED) + $(RUNS) - 1))); do \
		echo "seed $$seed (again: make test-random SEED=$$seed)"; \
		$(BIN)/pytest $(TESTERS) -q -m hypothesis --hypothesis-profile=random --hypothesis-seed=$$seed || exit 1; done

mutants: $(READY)
	nice -n 10 $(BIN)/python -m needle_assets_tests.mutants $(MUTANTS)

ui: $(READY)
	$(BIN)/needle ui

bench: $(READY)
	@for script in refresh orchestration events explore images images_truth light_curves simulation training lake exports; do \
		echo "== $$script"; $(BIN)/python benchmarks/$$script.py || exit 1; done

experiment: $(READY)
	$(BIN)/python benchmarks/experiment.py

docs: .venv/.docs-ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/python tools/site.py

.venv/.docs-ready: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@touch $@

clean:
	rm -rf .venv build dist

# `make run`: a whole exam centre on this machine.  `make test`: everything that must hold.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help run translations test check properties bench power-cuts tamper eval clean python-version

help:
	@echo "make run                     a whole exam centre on this machine, in ./var"
	@echo "make run FOOTAGE=DIR         one desk for each video file in DIR (at most 6; DESKS=N for more)"
	@echo "make run CAMERA=0            this computer's camera as one more desk"
	@echo "make run BROKER=embedded     the broker that comes along, even if mosquitto is installed"
	@echo "make run PORT=8080           another port for the web pages"
	@echo "make test                    lint, types, import rules and every test (WORKERS=4 files of them at a time)"
	@echo "make bench                   the measured figures (vision, ingest, fleet, purge, recording, remux, live, hub)"
	@echo "make power-cuts CUTS=500     cut the power of a working desk and hub so often (root); what was lost"
	@echo "make tamper                  tamper with a thousand evidence bundles in every way, and verify them"
	@echo "make eval FOOTAGE=DIR        how good the judgement is, on film with truth; writes models/README.md"
	@echo "make translations            find every text of the pages and bring the catalogues up to date"
	@echo "make clean                   remove what was installed and built (never ./var)"

python-version:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null || { \
	  echo "Python 3.11, 3.12 or 3.13 is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
	       "Name another with: make run PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }

# A stamp for each set of packages, so that a later start does not ask the package index again.
$(VENV)/run.stamp: pyproject.toml | python-version
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the centre needs (once) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check -e '.[agent,hub,demo]' || { \
	  echo "The packages could not be installed: is the package index reachable? Nothing was started." >&2; exit 1; }
	@touch $@

$(VENV)/test.stamp: pyproject.toml | python-version $(VENV)/run.stamp
	@echo "Installing what the tests need (once) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet -e '.[agent,hub,demo,test]'
	@touch $@

run: $(VENV)/run.stamp
	@$(BIN)/python -m models.fetch
	@exec $(BIN)/python -m hub.demo --port $(PORT) $(if $(FOOTAGE),--footage '$(FOOTAGE)') \
	  $(if $(CAMERA),--camera '$(CAMERA)') $(if $(DESKS),--desks $(DESKS)) $(if $(BROKER),--broker $(BROKER))

# Most tests wait for processes of their own: more of them at a time than there are processors.
WORKERS ?= 4
test: $(VENV)/test.stamp
	@sh tests/system_packages.sh
	@$(BIN)/python -m models.fetch
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# The property tests with other examples each time, ten times as many: what it finds gets a test of its own.
properties: $(VENV)/test.stamp
	@sh tests/system_packages.sh
	@$(BIN)/python -m models.fetch
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m hypothesis --hypothesis-profile=search

bench: $(VENV)/test.stamp
	@$(BIN)/python -m models.fetch
	$(BIN)/python -m tests.bench vision $(if $(FOOTAGE),--footage '$(FOOTAGE)')
	$(BIN)/python -m tests.bench ingest
	$(BIN)/python -m tests.bench fleet
	$(BIN)/python -m tests.bench upload
	$(BIN)/python -m tests.bench purge
	$(BIN)/python -m tests.bench recording
	$(BIN)/python -m tests.bench remux
	$(BIN)/python -m tests.bench live

CUTS ?= 500
SEED ?= 1
power-cuts: $(VENV)/test.stamp
	@sh tests/system_packages.sh
	@$(BIN)/python -m models.fetch
	$(BIN)/python -m tests.hostile.power_cut --cuts $(CUTS) --seed $(SEED)
	$(BIN)/python -m tests.hostile.cut_hub --cuts $(CUTS) --seed $(SEED)

tamper: $(VENV)/test.stamp
	$(BIN)/python -m tests.bench tamper

# EVAL='--yunet MODEL.onnx', or any other option of `python -m tests.eval`
eval: $(VENV)/test.stamp
	@$(BIN)/python -m models.fetch
	$(BIN)/python -m tests.eval $(if $(FOOTAGE),--footage '$(FOOTAGE)') $(EVAL)

# By hand after a text was changed, and once more after it was translated: the compiled catalogue is committed.
translations: $(VENV)/test.stamp
	$(BIN)/python -m hub.translations

clean:
	rm -rf $(VENV) .venv-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin/python -m
# Modules are kept compiled, whatever the machine says: the tests start some hundreds of processes.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint types check check-services check-web check-install check-docs zipapp docs site clean

demo: $(VENV)/.installed
	$(RUN) reconciler demo

test: $(VENV)/.test
	$(RUN) pytest -q -n auto $(TESTS)

lint: $(VENV)/.lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(VENV)/.lint
	$(RUN) mypy

check: test lint types

# The tests on every supported Python of this machine, and on 3.14 where Debian's can be had.
.PHONY: check-pythons
check-pythons:
	@home=$$(mktemp -d /tmp/pythons-XXXXXX); trap 'rm -rf "$$home"' EXIT; \
	.ci/pythons "$$home" > "$$home/found" || exit 1; \
	while read -r python; do \
		echo "--- $$("$$python" --version)"; \
		$(MAKE) --no-print-directory test PYTHON="$$python" VENV="$$home/venv" || exit 1; \
	done < "$$home/found"

# Redocly by npm, where that is there, and Schemathesis at length.
.PHONY: check-contract
check-contract: $(VENV)/.test
	.ci/contract

# Debian's PostgreSQL and pgbouncer, installed as root.
check-services: $(VENV)/.test
	VENV=$(VENV) .ci/services

# The HTML report, the emulator's page and the docs' site in Debian's Chromium, installed as root where it is not
# there; an environment of its own.
check-web:
	.ci/web

# The protocol of exactly once in every interleaving, by Debian's Spin: up to five minutes. LOSSES=1 takes one.
.PHONY: check-model
check-model:
	.ci/model

# Fuzzing by coverage and of whole commands: three minutes, or SECONDS_OF_FUZZING.
.PHONY: check-fuzz
check-fuzz: $(VENV)/.test
	.ci/fuzz

# Mutants of what decides, drawn by SEED (1), each of which a quick test must find: for twenty minutes, or
# SECONDS_OF_MUTANTS. ONLY="plan.prune rules.customers.archive" plays all of these instead.
.PHONY: check-mutants
check-mutants: $(VENV)/.test
	$(VENV)/bin/python bench/mutants.py --seed $(or $(SEED),1) \
		--seconds $(if $(ONLY),0,$(or $(SECONDS_OF_MUTANTS),1200)) $(patsubst %,--only '%',$(ONLY))

# Every way to install it, each in a folder of its own.
check-install:
	.ci/install

# The docs' site, where any warning is an error; in SITE where that is given.
check-docs:
	.ci/docs $(SITE)

site: check-docs

# dist/reconciler.pyz: one file, run by the Python of the version that made it.
zipapp:
	.ci/zipapp

# dist/release: wheel, sdist, zipapp and Debian package, with bills of materials and checksums. It refuses while an image
# is named without its digest, unless WITHOUT_IMAGE=1.
.PHONY: release check-release check-lock lock
release:
	.ci/release $(if $(WITHOUT_IMAGE),--without-image)

# Built twice, from two clones, the same.
check-release:
	.ci/release --twice

# The locks with hashes as the index has them: before a release, as a file that is added to the index changes them.
check-lock:
	.ci/lock --check

# The locks with hashes, renewed with the versions of requirements/constraints.txt.
lock:
	.ci/lock

docs: $(VENV)/.installed
	$(VENV)/bin/python docs/generate.py

# Looked at each time, changed where PYTHON is another one than the environment's.
.PHONY: python
$(VENV)/.python: python
	@.ci/environment $(PYTHON) $(VENV)

$(VENV)/.installed: pyproject.toml requirements/constraints.txt $(VENV)/.python
	$(RUN) pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -e .
	touch $@

$(VENV)/.test: $(VENV)/.installed requirements/constraints.txt
	$(RUN) pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -r requirements/test.txt
	touch $@

$(VENV)/.lint: $(VENV)/.test
	$(RUN) pip install --quiet --disable-pip-version-check -c requirements/constraints.txt -r requirements/lint.txt
	touch $@

clean:
	rm -rf $(VENV)

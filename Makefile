# Each target is one command; with an environment active the commands do the same without make.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: reproduce verify report docs test benchmark

reproduce: .venv/installed
	snakemake --cores all

# Says whether your results agree with the reference; exit status 1 if not.
verify: .venv/installed
	python src/compare_results.py results/reference results --output results/verification.md \
	    --picture results/verification.png

# With the study of readings, where it was made.
report: .venv/installed
	snakemake --report results/report.html all $(if $(wildcard results/readings.png),readings)

docs: .venv/installed-docs
	mkdocs build --strict

test: .venv/installed-dev .venv/installed-docs
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile rules
	pytest -n auto --dist loadfile

benchmark: .venv/installed-dev
	for each in tests/benchmarks/benchmark_*.py; do python $$each || exit; done

.venv/bin/python:
	$(PYTHON) -m venv .venv

# The stamps say that what the requirements list is there; pip runs again only when they change.
.venv/installed: requirements.txt | .venv/bin/python
	pip install --disable-pip-version-check --requirement $<
	touch $@

.venv/installed-docs: requirements-docs.txt .venv/installed
	pip install --disable-pip-version-check --requirement $<
	touch $@

.venv/installed-dev: requirements-dev.txt requirements-cluster.txt requirements-htcondor.txt .venv/installed
	pip install --disable-pip-version-check --requirement $<
	pip install --disable-pip-version-check --no-deps --upgrade --target .venv/htcondor \
	    --requirement requirements-htcondor.txt
	touch $@

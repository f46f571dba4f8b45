# `make sweep` and `make test` do all of their set-up first; `make help` lists everything.
PYTHON_IN_VENV := .venv/bin/python
PACKAGES := tasks orchestrator analysis benchmarks
BESIDE := tests/tasks tests/test_architecture.py tests/test_light_imports.py tests/test_registered_names.py
BESIDE_WORKERS = $$(cores=$$(nproc); echo $$((cores < 4 ? cores + 1 : 4)))
COMPILE := .venv/bin/uv pip compile --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --quiet

.DEFAULT_GOAL := help
.PHONY: help setup ffcv sweep methods docs test test-all lint lock clean

help: ## what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

setup: ## virtual environment and locked packages in .venv (done by sweep and test too)
	@PYTHON="$(PYTHON)" setup/install.sh

ffcv: ## try again to build FFCV
	@FFCV=yes PYTHON="$(PYTHON)" setup/install.sh

sweep: setup ## find a Pareto front; choose by TASK=cifar10-class:automobile TRIALS=20 ARGS='--seed 1'
	@$(PYTHON_IN_VENV) -m orchestrator sweep --objective pareto \
		$(if $(TASK),--task $(TASK)) $(if $(TRIALS),--trials $(TRIALS)) $(ARGS)

methods: setup ## every method as one table, in a night; choose by ARGS='--task digits-class:1 --data-dir DIR'
	@$(PYTHON_IN_VENV) -m benchmarks.methods $(ARGS)

docs: .venv/.docs ## the site with the API reference, into build/site; a dead link fails
	@NO_MKDOCS_2_WARNING=1 $(PYTHON_IN_VENV) -m mkdocs build --strict --quiet
	@echo "the site: build/site/index.html"

.venv/.docs: requirements-docs.lock | setup
	$(PYTHON_IN_VENV) -m pip install -q --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
		-r requirements-docs.lock
	@touch $@

lint: setup ## ruff and mypy
	$(PYTHON_IN_VENV) -m ruff check .
	$(PYTHON_IN_VENV) -m ruff format --check .
	$(PYTHON_IN_VENV) -m mypy $(PACKAGES)

# The tests of one process run beside each other, one more than there are cores, since some wait for servers;
# those that start Ray take the whole machine, one at a time.
test: lint ## lint, and the tests that take seconds; ARGS chooses, such as ARGS='-k resume'
ifdef ARGS
	$(PYTHON_IN_VENV) -m pytest -m "not slow" $(ARGS)
else
	@failed=0; \
	$(PYTHON_IN_VENV) -m pytest -m "not slow" -n $(BESIDE_WORKERS) --dist worksteal $(BESIDE) || failed=1; \
	$(PYTHON_IN_VENV) -m pytest -m "not slow" $(BESIDE:%=--ignore=%) || failed=1; \
	exit $$failed
endif

test-all: lint ## lint, and all tests
	$(PYTHON_IN_VENV) -m pytest $(ARGS)

lock: setup ## resolve the newest packages that pyproject.toml allows; writes the lock files
	echo uv | $(COMPILE) --upgrade -o requirements-uv.lock -
	$(COMPILE) --upgrade --extra dev -o requirements.lock pyproject.toml
	$(COMPILE) --upgrade --extra dev --extra ffcv -c requirements.lock \
		$$(sed -n 's/^\([A-Za-z0-9_.-]*\)==.*/--no-emit-package \1/p' requirements.lock) \
		-o requirements-ffcv.lock pyproject.toml
	$(COMPILE) --upgrade --extra docs -c requirements.lock \
		$$(sed -n 's/^\([A-Za-z0-9_.-]*\)==.*/--no-emit-package \1/p' requirements.lock) \
		-o requirements-docs.lock pyproject.toml
	sed -i '/^# The following packages were excluded/,$$d' requirements-ffcv.lock requirements-docs.lock

clean: ## remove the virtual environment and what tools left; results and data stay
	rm -rf .venv .setup-lock build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

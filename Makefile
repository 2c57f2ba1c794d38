# mailsvc: `make run` starts it, `make test` tests it. Every target sets up what it needs, and is quick when nothing changed.

VENV := .venv
BIN := $(VENV)/bin

.PHONY: run setup test check fix fuzz bench soak mutate lock copies clean

run: $(VENV)/.run  ## set up, then start the service on 127.0.0.1:8025
	exec $(BIN)/mailsvc serve

setup: $(VENV)/.dev  ## set up everything for development

test: $(VENV)/.dev  ## set up, system packages included, and run all tests
	.ci/system-packages
	.ci/tests

check: $(VENV)/.dev  ## formatter, linters, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/basedpyright --level error
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

fix: $(VENV)/.dev  ## format, and mend what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

fuzz: $(VENV)/.dev  ## look for inputs that break a property, other ones each time
	$(BIN)/python -m pytest tests/unit tests/contract -m hypothesis --hypothesis-profile search --timeout 3600

bench: $(VENV)/.dev  ## measure against peers (see docs/benchmarks.md)
	$(BIN)/python -m bench

soak: $(VENV)/.dev  ## the slow crash tests: a hundred kills over ten thousand messages
	.ci/system-packages
	MAILSVC_SOAK=1 $(BIN)/python -m pytest tests/system -m soak --timeout 3600

# Not in CI: it takes long, and a survivor wants somebody to judge it. `mutmut show NAME` prints one.
mutate: $(VENV)/.dev  ## change the core in small ways, one at a time, and see which changes no test notices
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut results

lock: $(VENV)/.dev  ## renew the lock files from pyproject.toml
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 --extra dev pyproject.toml -o requirements-dev.lock

# What turns the keywords of send() into a draft is the same in the SDK and in Outbox; neither package imports the other.
copies:  ## copy the modules that the two packages share from the SDK (a test compares them)
	cp $(addprefix sdk/mailsvc_sdk/_sending/,addresses.py attachments.py choices.py draft.py times.py) mailsvc/transactional/sending/

clean:  ## remove what was set up; data is kept
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache mutants

$(VENV)/bin/python:
	@python=$(or $(PYTHON),$$(.ci/python)) && set -x && "$$python" -m venv $(VENV)

# The lock files pin everything with hashes; the package itself is installed as it stands here.
$(VENV)/.run: requirements.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q mailsvc migrations
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml sdk/pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable . --editable ./sdk
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m compileall -q mailsvc migrations sdk
	@touch $@ $(VENV)/.run

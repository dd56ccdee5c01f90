.DEFAULT_GOAL := help
PYTHON ?= python3
# Relative paths throughout: the clone may lie in a folder whose name has a space.
BIN := .venv/bin

help: ## Show this help
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	@echo "Installing what the lock file names into .venv; this happens once and takes a minute."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch .venv/installed

demo: .venv/installed ## One clinic day over the three services; ARGS=--exit ends by itself
	@$(BIN)/python -m services.cli demo $(ARGS)

test: .venv/installed ## All tests, in parallel
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

bench: .venv/installed ## Speed against the raw limits of the same run; ARGS="--only rpc" for one row
	$(BIN)/python -m tests.bench $(ARGS)

faults: .venv/installed ## Kill, stop and cut off parts of the suite under load; KAT_FAULT_SEED repeats a run
	KAT_FAULT_SECONDS=$${KAT_FAULT_SECONDS:-120} $(BIN)/python -m pytest -s tests/faults $(ARGS)

lint: .venv/installed ## Format, style, types, import rules, generated code, leftovers
	@$(BIN)/python -m tests.lint

protos: .venv/installed ## Generate the code beside the contracts
	@set -e; include="$$($(BIN)/python -c 'import google.type.date_pb2 as m, pathlib; print(pathlib.Path(m.__file__).parents[2])')"; \
	PATH="$$PWD/$(BIN):$$PATH"; \
	python -m grpc_tools.protoc -Iprotos -I"$$include" --python_out=protos --mypy_out=protos $$(find protos -name '*.proto' | sort); \
	python -m grpc_tools.protoc -Iprotos -I"$$include" --grpc_python_out=protos --mypy_grpc_out=protos $$(grep -rl '^service ' protos --include='*.proto' | sort)

docs: .venv/installed ## Bring the tables in docs/ in step with the code
	@$(BIN)/python -m tests.docs

clean: ## Remove what was installed and built; the state in data/ stays
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help demo test bench faults lint protos docs clean

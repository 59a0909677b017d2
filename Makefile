# Every target makes its own virtual environment first; all it needs is Python 3.11 or later.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
JOBS ?= 2
PYTEST := $(BIN)/pytest -q -n $(JOBS) --dist worksteal

.PHONY: run test check bench soak conformance coverage format generate clean

run: $(STAMP)
	$(BIN)/agentpost serve

test: $(STAMP)
	$(PYTEST)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/codespell
	$(BIN)/mypy
	$(BIN)/pyright

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The Python client's modules, from the endpoints.
generate: $(STAMP)
	$(BIN)/python -m generators.client

bench: $(STAMP)
	$(BIN)/python -m benchmarks

# Every property at length, then two hundred kill -9 under load, with nothing else beside them.
soak: $(STAMP)
	AGENTPOST_TEST_PROFILE=soak $(PYTEST) --ignore tests/durability
	AGENTPOST_TEST_PROFILE=soak $(BIN)/pytest -q tests/durability

# The transcripts of conformance/, the journeys of real mail clients (installed as needed), our SPF
# beside the public test suite, and every operation of openapi.json by schemathesis.
conformance: $(STAMP)
	$(PYTEST) -k "transcript or conformance"
	$(BIN)/python -m conformance.clients
	$(BIN)/python -m conformance.spf
	$(BIN)/python -m conformance.schema

coverage: $(STAMP)
	$(PYTEST) --cov --cov-branch --cov-report=term

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* htmlcov build dist

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "AgentPost needs Python 3.11 or later; set PYTHON=..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[server,dev]'
	@touch $@

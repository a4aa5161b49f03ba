# Everything runs inside .venv, which the first target that needs it makes. Works from any folder: make -C PATH demo
# Written for GNU make 3.81, which macOS still ships: one line, one shell.
SHELL := /bin/bash
.DEFAULT_GOAL := help

ROOT := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
PYTHON ?= python3
BIN := $(ROOT)/.venv/bin
DATA ?= generated
# A local file of VGG-19's weights, where their host cannot be reached.
WEIGHTS ?=
# cpu, auto, cu128, ...: which build of torch to take; empty takes the package index's own.
TORCH_BACKEND ?=
# Test files run side by side, each in one process.
TEST_JOBS ?= 2
SONGLENS_HOME ?= $(ROOT)/.songlens
export SONGLENS_HOME

# uv draws progress bars where somebody can see them, and lists every package; elsewhere it shall be quiet.
QUIET := $(shell test -t 2 || echo --quiet)
STAMP := $(ROOT)/.venv/.installed
TOOLS := $(ROOT)/.venv/.tools

.PHONY: help install demo test chaos check format docs clean wheel-test paper bench pictures

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(ROOT)/Makefile | sed -E 's/:.*## /	/' | sort

install: $(STAMP) ## Make .venv and install Songlens into it, with everything it needs

$(STAMP): $(ROOT)/pyproject.toml $(ROOT)/constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Songlens needs Python 3.11 or newer; set PYTHON=...")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv $(ROOT)/.venv \
		|| { echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(ROOT)/.venv; exit 1; }
	@echo "Installing into .venv; the first time this takes a few minutes (TORCH_BACKEND=cpu spares the CUDA download)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@cd $(ROOT) && $(BIN)/uv pip install $(QUIET) --python $(BIN)/python --constraints constraints.txt \
		$(if $(TORCH_BACKEND),--torch-backend $(TORCH_BACKEND)) --group dev --editable '.[workers,training]'
	@touch $@

$(TOOLS): $(STAMP)
	@$(BIN)/python $(ROOT)/.ci/debian_tools.py && touch $@

demo: $(STAMP) ## Build a model and show songs for photos (DATA=generated or DATA=open)
	@cd $(ROOT) && $(BIN)/songlens demo --data $(DATA) $(if $(WEIGHTS),--weights $(abspath $(WEIGHTS)))

test: $(STAMP) $(TOOLS) ## Run the whole test suite (TESTS=tests/unit for a part, TEST_JOBS=N side by side)
	cd $(ROOT) && $(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile $(TESTS)

chaos: $(STAMP) ## Kill, cut off, poison, swap, soak and fuzz the queue under load for about twelve minutes (REDIS_SERVER=PATH, REPORT=FILE)
	cd $(ROOT) && $(BIN)/python -m pytest tests/chaos --chaos -s $(if $(REPORT),--chaos-report $(abspath $(REPORT))) $(if $(REDIS_SERVER),--redis-server $(REDIS_SERVER))

check: $(STAMP) ## Formatting, lint, types, import contracts, generated docs
	cd $(ROOT) && $(BIN)/ruff format --check .
	cd $(ROOT) && $(BIN)/ruff check .
	cd $(ROOT) && $(BIN)/mypy
	cd $(ROOT) && $(BIN)/lint-imports
	cd $(ROOT) && $(BIN)/python docs/generate.py --check
	cd $(ROOT) && $(BIN)/python ops/grafana/generate.py --check
	cd $(ROOT) && $(BIN)/python ops/k8s/generate.py --check

format: $(STAMP) ## Format the code
	cd $(ROOT) && $(BIN)/ruff format . && $(BIN)/ruff check --fix .

docs: $(STAMP) ## Write the generated pages of docs/, the dashboards, rules and triggers for Kubernetes
	cd $(ROOT) && $(BIN)/python docs/generate.py
	cd $(ROOT) && $(BIN)/python ops/grafana/generate.py
	cd $(ROOT) && $(BIN)/python ops/k8s/generate.py

pictures: $(STAMP) $(TOOLS) ## Draw what songlens top and the dashboards show, three minutes of it, into docs/images (after make demo)
	cd $(ROOT) && PYTHONPATH=ops/grafana:tests $(BIN)/python docs/pictures/make.py

bench: $(STAMP) ## Measure every part and the whole against its limit and target (BENCH=forward for a part, QUICK=1 for a look)
	cd $(ROOT) && $(BIN)/songlens bench run $(BENCH) $(if $(QUICK),--quick) $(if $(RESULTS),--out $(abspath $(RESULTS)))

paper: $(STAMP) ## The paper's sizes on both catalogues: every step measured, Table 1 (WEIGHTS=FILE, CONCEPTNET=FILE)
	cd $(ROOT) && $(BIN)/python benchmarks/paper.py $(if $(WEIGHTS),--weights $(abspath $(WEIGHTS))) \
		$(if $(CONCEPTNET),--conceptnet $(abspath $(CONCEPTNET)))

wheel-test: $(STAMP) ## Install the built wheel into an empty environment and import the client there
	cd $(ROOT) && $(BIN)/python .ci/wheel_test.py

clean: ## Remove the environment, caches and demo data
	rm -rf $(ROOT)/.venv $(ROOT)/.songlens $(ROOT)/.mypy_cache $(ROOT)/.ruff_cache $(ROOT)/.pytest_cache

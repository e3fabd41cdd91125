# The commands a newcomer needs. `make run` and `make test` are enough to start; all work from a clean clone.
# Settings reach the app from the environment or as `make run PORT=8000 DATA_DIR=~/clips`; README.md lists them.

.DEFAULT_GOAL := run
.PHONY: run head worker test check format bench bench-gpu families soak train evaluate clean chromium

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin/python
PIP := $(BIN) -m pip --disable-pip-version-check
RAY = RAY_AUTH_MODE=token exec $(VENV)/bin/ray start --block --disable-usage-stats \
	--min-worker-port=10002 --max-worker-port=10999
# An empty ARGS runs everything; `make test ARGS="-k grid"` runs a part.
ARGS ?=

run: $(VENV)/.runtime $(if $(filter 1 true yes on,$(MCP)),$(VENV)/.mcp) $(if $(filter ray,$(ENGINE)),$(VENV)/.ray) \
		$(if $(filter int8,$(MEMORY_PLAN)),$(VENV)/.int8)
	exec $(BIN) app.py

# A cluster's head, on the studio's machine, which gives it no processors, and each other machine of it. Both run until
# they are ended, and take the token that keeps strangers out from RAY_AUTH_TOKEN. Their ports are named, so that a
# firewall can know them; a head and a worker may be on one machine.
head: $(VENV)/.ray
	$(RAY) --head --port=$(or $(RAY_PORT),6379) --num-cpus=0 --num-gpus=0 --include-dashboard=false \
		--node-manager-port=6380 --object-manager-port=6381

worker: $(VENV)/.ray
	@test -n "$(HEAD)" || { echo "Say where the head is: make worker HEAD=10.0.0.5:6379"; exit 1; }
	$(RAY) --address=$(HEAD) --node-manager-port=6382 --object-manager-port=6383

test: $(VENV)/.test chromium
	$(BIN) -m pytest $(ARGS)

check: $(VENV)/.test
	$(BIN) -m ruff check .
	$(BIN) -m ruff format --check .
	$(BIN) -m pyright

format: $(VENV)/.test
	$(BIN) -m ruff check --fix .
	$(BIN) -m ruff format .

bench: $(VENV)/.runtime
	$(BIN) -m studio.bench $(ARGS)

# The big models' speed and memory on this machine's GPU, at their real size with weights by chance: BENCHMARKS.md.
bench-gpu: $(VENV)/.runtime
	$(BIN) -m studio.bench_gpu $(ARGS)

# Every model family through the studio's own service, on tiny random checkpoints of diffusers' real classes.
families: $(VENV)/.test
	$(BIN) -m tests.tiny $(ARGS)

# Half an hour of kills, crowds, hostile requests, bad networks, full disks and wrong clocks, on this machine only.
soak: $(VENV)/.test chromium
	$(BIN) -m tests.soak $(ARGS)

train: $(VENV)/.train
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" bash training/recipes/version_0.sh

evaluate: $(VENV)/.train
	$(BIN) -m training.evaluate $(ARGS)

# Removes only what a minute makes again: the clips in data/ and training's hours of work in .cache/ stay.
clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is older than its requirements file only when that file changed: then pip runs, else nothing does.
$(VENV)/.runtime: requirements.txt
	$(call install,$<,$@)

$(VENV)/.test: requirements-test.txt requirements-ray.txt requirements-int8.txt requirements.txt
	$(call install,$<,$@)
	touch $(VENV)/.runtime

$(VENV)/.train: requirements-train.txt requirements.txt
	$(call install,$<,$@)
	touch $(VENV)/.runtime

$(VENV)/.ray: requirements-ray.txt requirements.txt
	$(call install,$<,$@)
	touch $(VENV)/.runtime

$(VENV)/.int8: requirements-int8.txt requirements.txt
	$(call install,$<,$@)
	touch $(VENV)/.runtime

$(VENV)/.mcp: requirements-mcp.txt requirements.txt
	$(call install,$<,$@)
	touch $(VENV)/.runtime

define install
	@test -n "$(PYTHON)" || { echo "Flipbook needs Python 3.11 or newer; none was found. Set PYTHON=/path/to/it."; exit 1; }
	@$(PIP) --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --requirement $(1)
	@touch $(2)
endef

# The browser tests drive the system's own Chromium; on Debian it is installed when there is none. Ubuntu has it as a snap
# only, which sees nothing of /tmp, so there it is for the newcomer to install Chrome.
chromium:
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	command -v apt-get >/dev/null || { echo "Please install Chromium or Chrome: the browser tests need it."; exit 1; }; \
	sudo=""; test "$$(id -u)" = 0 || sudo=sudo; \
	$$sudo apt-get update && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium || \
	{ echo "Please install Chromium or Chrome: the browser tests need it."; exit 1; }

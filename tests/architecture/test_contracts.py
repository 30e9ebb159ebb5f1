"""The contracts in pyproject.toml hold, and each can fail: a planted import breaks exactly the expected one."""

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

# contract -> (file, line added to it)
PLANTED = [
    ("rooms", "accounts/services.py", "import generation.domain.states"),
    ("rooms", "generation/domain/plan.py", "def later():\n    import gallery.models"),
    ("rooms", "generation/jobs/selectors.py", "import generation.create.views"),
    ("rooms", "generation/models/job.py", "import generation.queue.services"),
    ("rooms", "auravideo/core/zips.py", "import accounts.models"),
    ("gallery", "gallery/models/video.py", "import gallery.sharing.services"),
    ("accounts", "accounts/models.py", "import accounts.services"),
    ("rendering", "workers/engines/film.py", "import workers.runner"),
    ("engines", "workers/engines/families/opening.py", "import workers.engines.animatediff.motion"),
    ("engines", "workers/engines/files/source.py", "import workers.engines.diffusion.parts"),
    ("workers", "generation/queue/services.py", "import workers.tasks"),
    ("workers", "gallery/tasks.py", "from workers.tiny.world import scenes"),
    ("pure", "generation/domain/plan.py", "import generation.models"),
    ("pure", "workers/engines/film.py", "import celery"),
    ("views", "gallery/library/selectors.py", "import gallery.library.forms"),
    ("views", "generation/jobs/selectors.py", "import generation.create.views"),
    ("heavy", "gallery/library/views.py", "import torch"),
    ("heavy", "workers/runner.py", "def later():\n    from tensorflow import nn"),
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a copy of the tree to plant imports in."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in SETTINGS["root_packages"]:
        keep_python = shutil.ignore_patterns("__pycache__", "models.bin", "*.safetensors", "*.pb", "*.po", "*.mo")
        shutil.copytree(ROOT / package, folder / package, ignore=keep_python)
    return folder


@pytest.fixture(scope="module")
def linted(copy):
    """Return import-linter's verdict on the copy for each planted line."""
    command = [sys.executable, str(Path(__file__).with_name("lint_planted.py")), str(copy)]
    done = subprocess.run(command, input=json.dumps(PLANTED), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(PLANTED, json.loads(done.stdout), strict=True))


def test_every_contract_is_kept():
    done = subprocess.run([str(LINT_IMPORTS), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_every_contract_has_a_violation_planted():
    assert {contract for contract, _place, _line in PLANTED} == {each["id"] for each in SETTINGS["contracts"]}


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: f"{planted[0]}-{planted[1]}")
def test_a_planted_import_breaks_its_contract(linted, planted):
    status, output = linted[planted]
    assert status == 1, output
    assert "BROKEN" in output
    assert planted[1].removesuffix(".py").replace("/", ".") in output, "broken, but not by the planted line"

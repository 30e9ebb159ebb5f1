"""The contracts of pyproject.toml hold, and each of them can fail: a planted import is refused by the one it breaks."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

# contract -> (file, the line that is added to it)
PLANTED = [
    ("rooms", "accounts/services.py", "import generation.domain.states"),
    ("rooms", "generation/domain/plan.py", "def later():\n    import gallery.models"),
    ("rooms", "generation/jobs/selectors.py", "import generation.create.views"),
    ("rooms", "generation/models.py", "import generation.queue.services"),
    ("rooms", "auravideo/core/zips.py", "import accounts.models"),
    ("gallery", "gallery/models/video.py", "import gallery.sharing.services"),
    ("accounts", "accounts/models.py", "import accounts.services"),
    ("rendering", "workers/engines/film.py", "import workers.runner"),
    ("workers", "generation/queue/services.py", "import workers.tasks"),
    ("workers", "gallery/tasks.py", "from workers.tiny.world import scenes"),
    ("pure", "generation/domain/plan.py", "import generation.models"),
    ("pure", "workers/engines/film.py", "import celery"),
    ("views", "gallery/library/selectors.py", "import gallery.library.forms"),
    ("views", "generation/jobs/selectors.py", "import generation.create.views"),
    ("heavy", "gallery/library/views.py", "import torch"),
    ("heavy", "workers/runner.py", "def later():\n    from tensorflow import nn"),
]


def lint(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(LINT_IMPORTS), "--no-cache", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The tree, to be planted in."""
    folder = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for package in SETTINGS["root_packages"]:
        keep_python = shutil.ignore_patterns("__pycache__", "models.bin", "*.safetensors", "*.pb", "*.po", "*.mo")
        shutil.copytree(ROOT / package, folder / package, ignore=keep_python)
    return folder


@pytest.fixture
def planted(copy):
    """Add a line to a file of the copy, for one test."""
    changed: dict[Path, str] = {}

    def plant(place: str, line: str) -> None:
        path = copy / place
        changed[path] = path.read_text()
        path.write_text(f"{changed[path]}\n{line}\n")

    yield plant
    for path, text in changed.items():
        path.write_text(text)


def test_every_contract_is_kept():
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_every_contract_has_a_violation_planted():
    assert {contract for contract, _place, _line in PLANTED} == {each["id"] for each in SETTINGS["contracts"]}


@pytest.mark.parametrize(("contract", "place", "line"), PLANTED)
def test_a_planted_import_breaks_its_contract(copy, planted, contract, place, line):
    planted(place, line)
    done = lint(copy, "--contract", contract)
    assert done.returncode == 1, done.stdout
    assert "BROKEN" in done.stdout

"""Messages that tell an operator to run a command name one that can be pasted."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from auravideo import commands

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "auravideo", "gallery", "generation", "workers")


def test_a_checkout_names_its_own_python(monkeypatch):
    monkeypatch.setattr(sys, "prefix", str(commands.VENV))
    assert commands.manage("migrate") == ".venv/bin/python manage.py migrate"


def test_an_image_names_the_python_on_its_path(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    assert commands.manage("fetch_models x") == "python manage.py fetch_models x"


def texts(source: str) -> Iterator[str]:
    """Yield every string of a module, docstrings included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def names_a_python(source: str) -> list[str]:
    return [text for text in texts(source) if "python manage.py" in text or "python3 manage.py" in text]


def test_no_message_names_a_python_that_is_not_there():
    paths = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    assert len(paths) > 200, "the modules were not read"
    found = {str(path.relative_to(ROOT)): names_a_python(path.read_text()) for path in paths}
    assert {path: said for path, said in found.items() if said} == {}


def test_the_search_finds_what_it_looks_for():
    assert names_a_python('fix = f"Run: python manage.py {x}"') == ["Run: python manage.py "]
    assert names_a_python("fix = f\"Run: {manage('migrate')}\"") == []


def test_a_list_that_nobody_reads_to_its_end_is_no_mistake(tmp_path):
    """As in `fetch_models --list | head`."""
    environment = {**os.environ, "AURAVIDEO_HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(ROOT / "manage.py"), "fetch_models", "--list"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as listing:
        assert listing.stdout.readline()
        listing.stdout.close()
        told = listing.stderr.read()
    assert "Traceback" not in told
    assert listing.returncode == 141

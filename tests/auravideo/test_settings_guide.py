"""docs/operating.md lists exactly the environment variables that the site reads, with their defaults."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from auravideo import environment, settings

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "operating.md").read_text()
WITH_DEFAULT = {
    *(
        "text",
        "boolean",
        "integer",
        "choice",
        "words",
        "hosts",
        "secret",
        "listening",
        "matching",
        "sender",
        "time_zone",
    ),
}
READERS = {*WITH_DEFAULT, "url", "file", "file_to_write", "site", "origins"}
# Not settings of the site: the environment that child processes inherit.
READS_THE_ENVIRONMENT = {
    "auravideo/environment.py",  # the readers
    "auravideo/benchmark/crew.py",  # the whole environment, passed on to the processes
    "auravideo/backups/databases.py",  # the whole environment, passed on to PostgreSQL's programs
    "auravideo/doctor/rendering.py",  # CUDA_VISIBLE_DEVICES, which is NVIDIA's
    "auravideo/doctor/computing.py",  # CUDA_VISIBLE_DEVICES, which is NVIDIA's
    "auravideo/server/processes.py",  # LD_LIBRARY_PATH, passed on to the interpolation worker
    "workers/engines/apart/remote_model.py",  # the part of it that a model's process gets
    "auravideo/server/supervisor.py",  # the whole environment, passed on to the processes
    "auravideo/core/liveness/parents.py",  # AURAVIDEO_SUPERVISOR, which `serve` gives its own children
    "auravideo/celery.py",  # variables that are torch's
    "workers/cards.py",  # CUDA_VISIBLE_DEVICES, which is NVIDIA's
    "workers/engines/tensorflow_device.py",  # variables that are TensorFlow's
    "workers/healthcheck.py",  # a script that starts without the settings
}
UNKNOWN = object()  # a default computed at start-up


def variables(path: Path, names: dict[str, Any]) -> dict[str, Any]:
    """Return every variable that a module reads through a reader, with its default; `names` are the module's names."""
    found: dict[str, Any] = {}
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) in READERS and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant):
                has_default = _name(node.func) in WITH_DEFAULT and len(node.args) > 1
                found[name.value] = _value(node.args[1], names) if has_default else found.get(name.value, "")
                if _name(node.func) == "secret":
                    found[f"{name.value}_FILE"] = ""
    return found


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _value(node: ast.expr, names: dict[str, Any]) -> Any:
    """Evaluate an expression: a constant, or a name of the module such as limits.MAX_SIDE."""
    if isinstance(node, ast.Attribute):
        return getattr(_value(node.value, names), node.attr)
    if isinstance(node, ast.Name):
        return names.get(node.id, UNKNOWN)
    try:
        return ast.literal_eval(node)
    except ValueError:
        return UNKNOWN


def documented(guide: str) -> dict[str, str]:
    """Return the variables in the guide's table of settings, with their documented defaults."""
    table = guide.partition("\n## Settings\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    return {name: default.strip() for names, default in rows for name in re.findall(r"`(\w+)`", names)}


READ = {
    **variables(Path(environment.__file__), vars(environment)),
    **variables(Path(settings.__file__), vars(settings)),
}


def test_the_guide_has_every_variable_and_no_other():
    assert len(READ) > 25, "the settings were not read"
    assert set(READ) - set(documented(GUIDE)) == set(), "add these to the table of docs/operating.md"
    assert set(documented(GUIDE)) - set(READ) == set(), "nothing reads these"


@pytest.mark.parametrize("name", [name for name, default in READ.items() if default not in ("", [], UNKNOWN)])
def test_the_guide_has_the_default(name):
    default = READ[name]
    assert documented(GUIDE).get(name) == f"`{','.join(default) if isinstance(default, list) else default}`"


@pytest.mark.parametrize("name", [name for name, default in READ.items() if default in ("", [])])
def test_the_guide_names_no_value_where_there_is_no_default(name):
    assert not re.fullmatch("`.*`", documented(GUIDE).get(name, ""))


def test_the_environment_is_read_by_the_settings_alone():
    apps = ("accounts", "auravideo", "gallery", "generation", "workers")
    paths = [path for app in apps for path in (ROOT / app).rglob("*.py")]
    found = {
        str(path.relative_to(ROOT))
        for path in paths
        if re.search(r"os\.(environ\b(?!\.setdefault)|getenv)", path.read_text())
    }
    assert found <= READS_THE_ENVIRONMENT


PLANTED = """
A = env.integer("AN_INTEGER", limits.MOST, 1, 9)
B = env.text("A_TEXT")
C = env.words("SOME", ["x"])
D = env.url("PLACE", ("http", "https"))
E = env.secret("KEY")
"""
TABLE = """
## Settings

| variable | default | what it is |
|---|---|---|
| `A`, `B` | `1` | |

## Then
| `C` | | |
"""


def test_the_search_finds_what_it_looks_for(tmp_path):
    path = tmp_path / "settings.py"
    path.write_text(PLANTED)
    names = {"limits": SimpleNamespace(MOST=7)}
    assert variables(path, names) == {
        "AN_INTEGER": 7,
        "A_TEXT": "",
        "SOME": ["x"],
        "PLACE": "",
        "KEY": "",
        "KEY_FILE": "",
    }
    assert documented(TABLE) == {"A": "`1`", "B": "`1`"}

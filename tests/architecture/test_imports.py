"""Import rules that pyproject.toml's contracts cannot express: parts of a library, and lazy imports.

Reads the syntax trees, so imports within functions count.
"""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "torchvision", "tensorflow", "diffusers", "transformers", "spandrel", "peft", "accelerate")
PURE_ROOMS = ("generation/catalogue", "generation/domain", "generation/requests", "workers/engines", "workers/media")
READS_THE_SETTINGS = ROOT / "generation" / "requests" / "available.py"  # the only module of these packages that may
PURE = [path for room in PURE_ROOMS for path in (ROOT / room).rglob("*.py") if path != READS_THE_SETTINGS]
PURE += (ROOT / "auravideo" / "core" / "media").glob("*.py")


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]
    assert found, f"nothing to read in {folders}"
    return found


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Return every module that a file imports, `from a import b` as both 'a' and 'a.b'."""
    tree = ast.parse(path.read_text(), str(path))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(names: set[str], *packages: str) -> set[str]:
    return {name for name in names for package in packages if name == package or name.startswith(f"{package}.")}


def offenders(paths, *packages: str, top_level_only: bool = False) -> dict[str, set[str]]:
    found = {path: within(imports(path, top_level_only=top_level_only), *packages) for path in paths}
    return {str(path.relative_to(ROOT)): names for path, names in found.items() if names}


# --- Internals of libraries and of other modules ----------------------------------------------------------------------

OUR_PACKAGES = ("accounts", "auravideo", "gallery", "generation", "workers")
# Per-request state inside a library is private to it: pass functions what they need.
REQUEST_OF_A_LIBRARY = ("allauth.core.context",)
_MFA = "allauth.mfa"
_FAKE, _DISPATCH, _TREE = ("torch._subclasses.fake_tensor", "torch.utils._python_dispatch", "torch.utils._pytree")
# Tests may use internals of our own modules, and these of libraries.
INTERNALS_IN_TESTS = {
    "tests/generation/queue/test_canvas.py": {"celery.canvas._chain"},  # the only type of what `chain(...)` returns
    # allauth has no public way to give somebody an authenticator.
    "tests/accounts/test_second_factor_secrets.py": {
        *(f"{_MFA}.recovery_codes.internal.auth", f"{_MFA}.recovery_codes.internal.auth.RecoveryCodes"),
        *(f"{_MFA}.totp.internal.auth{name}" for name in ("", ".TOTP", ".generate_totp_secret")),
    },
    # The only card on a machine without one.
    "tests/workers/engines/test_preview.py": {_FAKE, f"{_FAKE}.FakeTensorMode"},
    "tests/rigs/paper_card/card.py": {_FAKE, f"{_FAKE}.FakeTensor", f"{_FAKE}.FakeTensorMode"},
    "tests/rigs/paper_card/memory.py": {
        *(_FAKE, f"{_FAKE}.DataDependentOutputException", f"{_FAKE}.DynamicOutputShapeException"),
        *(_DISPATCH, f"{_DISPATCH}.TorchDispatchMode", _TREE, f"{_TREE}.tree_leaves"),
    },
}


def internals(path: Path) -> set[str]:
    """Return every import of something its owner marks as internal: `a.internal.b`, `a._b`, `from a import _b`."""
    parts = {name: name.split(".") for name in imports(path)}
    return {
        name
        for name, path_of in parts.items()
        if "internal" in path_of or any(part.startswith("_") and not part.startswith("__") for part in path_of)
    }


def test_no_internals_are_imported():
    found = {str(path.relative_to(ROOT)): internals(path) for path in sources(*OUR_PACKAGES, "scripts")}
    assert {path: names for path, names in found.items() if names} == {}


def test_tests_import_no_internals_of_libraries():
    found = {str(path.relative_to(ROOT)): internals(path) for path in sources("tests")}
    theirs = {path: names - within(names, *OUR_PACKAGES) for path, names in found.items()}
    assert {path: names for path, names in theirs.items() if names} == INTERNALS_IN_TESTS


def test_no_request_is_taken_from_a_librarys_context():
    assert not offenders(sources(*OUR_PACKAGES), *REQUEST_OF_A_LIBRARY)


@pytest.mark.parametrize(
    "line",
    [
        "from allauth.core.internal.ratelimit import get_ip",
        "import allauth.mfa.totp.internal.auth",
        "from allauth.mfa.totp import internal",
        "from celery._state import get_current_app",
        "from workers.engines.preview import _draw",
    ],
)
def test_an_import_of_internals_is_seen(tmp_path, line):
    path = tmp_path / "planted.py"
    path.write_text(f"def later():\n    {line}\n")
    assert internals(path)


def test_the_request_of_a_library_is_seen(tmp_path):
    path = tmp_path / "planted.py"
    path.write_text("from allauth.core import context\n")
    assert within(imports(path), *REQUEST_OF_A_LIBRARY)


FRAMEWORK = (
    "django.db",
    "django.conf",
    "django.apps",
    "django.http",
    "django.core",
    "django.shortcuts",
    "celery",
    "channels",
)


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_room_knows_neither_the_orm_nor_the_settings(path):
    assert not within(imports(path), *FRAMEWORK)


@pytest.mark.parametrize("line", ["import django.db", "from django.conf import settings", "from django import db"])
def test_an_import_of_the_orm_or_the_settings_is_seen(tmp_path, line):
    path = tmp_path / "pure.py"
    path.write_text(f"def later():\n    {line}\n")
    assert within(imports(path), *FRAMEWORK)


def test_engines_import_heavy_libraries_lazily():
    assert not offenders(sources("workers/engines"), *HEAVY, top_level_only=True)


LIGHT = (
    "auravideo.asgi",
    "auravideo.urls",
    "auravideo.demo.clips",
    "auravideo.celery",
    "generation.management.commands.batch",
    "workers.tasks",
)


@pytest.fixture(scope="module")
def loaded():
    """Return which of HEAVY each module of LIGHT has loaded, importing them one by one in a separate process.

    pytest's own process has loaded too much to tell. What one module loads stays loaded for the next.
    """
    script = f"""
import importlib, json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "auravideo.settings"
import django
django.setup()
import django.urls
found = dict()
for module in {LIGHT!r}:
    importlib.import_module(module)
    django.urls.get_resolver().url_patterns
    found[module] = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps(found))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", LIGHT)
def test_neither_a_web_process_nor_an_idle_worker_loads_torch_or_tensorflow(loaded, module):
    assert loaded[module] == []

"""Who may import whom (docs/architecture.md). The syntax trees are read, so that an import within a function counts."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "generation", "gallery")
HEAVY = ("torch", "torchvision", "tensorflow", "diffusers", "transformers", "spandrel", "peft", "accelerate")
PURE_MODULES = ("states", "params", "plan", "errors", "catalogue", "sizes", "qualities", "embedded", "containers")
PURE = (
    *(ROOT / "generation" / f"{name}.py" for name in PURE_MODULES),
    *(ROOT / "workers" / "engines").rglob("*.py"),
    *(ROOT / "workers" / "media").rglob("*.py"),
)


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]
    assert found, f"nothing to read in {folders}"
    return found


def imports(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Every module that a file imports, `from a import b` as both 'a' and 'a.b'."""
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


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_pure_room_knows_neither_the_orm_nor_a_model(path):
    forbidden = ("django.db", "django.conf", "celery", "channels", "generation.models", "generation.services")
    assert not within(imports(path), *forbidden, "accounts", "gallery", "workers.runner", "workers.frames")


def test_generation_knows_neither_the_gallery_nor_the_workers():
    assert not offenders(sources("generation"), "gallery", "workers")


def test_accounts_know_neither_generation_nor_the_gallery_nor_the_workers():
    assert not offenders(sources("accounts"), "generation", "gallery", "workers")


def test_the_gallery_does_not_know_the_workers():
    assert not offenders(sources("gallery"), "workers")


def test_the_project_knows_the_workers_for_its_demo_alone():
    paths = [path for path in sources("auravideo") if path.name != "demo.py"]
    assert not offenders(paths, "workers")


@pytest.mark.parametrize("app", APPS)
def test_models_know_neither_services_nor_views_nor_forms(app):
    layers = [f"{other}.{name}" for other in APPS for name in ("services", "selectors", "views", "forms", "pipeline")]
    paths = [path for path in sources(app) if path.name == "models.py" or path.parent.name == "models"]
    assert paths
    assert not offenders(paths, *layers)


def test_services_know_no_views_and_no_forms():
    names = ("services.py", "selectors.py", "claims.py", "recovery.py")
    paths = [path for path in sources(*APPS) if path.name in names]
    assert len(paths) >= 4
    assert not offenders(paths, *(f"{app}.{name}" for app in APPS for name in ("views", "forms", "consumers", "admin")))


def test_only_services_write_the_status_of_a_job():
    writers = []
    for path in sources("generation", "gallery", "workers", "accounts"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign):
                targets = [target for target in node.targets if isinstance(target, ast.Attribute)]
                writers += [f"{path.name}:{node.lineno}" for target in targets if target.attr == "status"]
    assert writers == []


def test_heavy_libraries_are_imported_by_engines_and_training_alone():
    allowed = (ROOT / "workers" / "engines", ROOT / "workers" / "tiny")
    paths = [path for path in sources(*APPS, "auravideo", "workers") if not any(top in path.parents for top in allowed)]
    assert not offenders(paths, *HEAVY)


def test_engines_import_heavy_libraries_lazily():
    assert not offenders(sources("workers/engines"), *HEAVY, top_level_only=True)


@pytest.mark.parametrize(
    "module",
    [
        "auravideo.asgi",
        "auravideo.urls",
        "auravideo.demo",
        "auravideo.celery",
        "generation.management.commands.batch",
        "workers.tasks",
    ],
)
def test_neither_a_web_process_nor_an_idle_worker_loads_torch_or_tensorflow(module):
    """In a process of its own: what pytest has loaded by now says nothing."""
    script = f"""
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "auravideo.settings"
import django
django.setup()
import importlib
importlib.import_module({module!r})
import django.urls
django.urls.get_resolver().url_patterns
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr

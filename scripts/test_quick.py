"""Runs the tests that a change touches, nearest first, within a minute: `make test-quick`.

The change is the difference from the merge base with `main` (or from BASE), committed or not. Changed tests run first,
then tests named after a changed module, then those that import it, then those of its folder, then those that reach it
through other modules. The import graph comes from grimp, which import-linter uses too.

Unlike pytest-testmon it needs no earlier run, so it is just as quick in a fresh clone. It guarantees nothing about the
tests it skips, and lists them: `make test` runs everything.
"""

import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("accounts", "auravideo", "gallery", "generation", "workers", "scripts", "tests")
LIMIT_SECONDS = 45
SHOWN = 5
MARKS = "not tensorflow and not e2e and not slow and not gpu and not containers"
CHANGED, NAMESAKE, IMPORTER, NEIGHBOUR, INDIRECT = range(5)
# Files of these kinds are traced to the modules that name them, e.g. a template to its view.
NAMED = (".html", ".txt", ".toml", ".json", ".js", ".css", ".po")


def changed_files(root: Path, base: str | None = None) -> list[str]:
    """Return the paths that differ from `base` or from the merge base with main, including untracked ones."""
    start = base or _merge_base(root)
    tracked = _git(root, "diff", "--name-only", "--no-renames", start, "--")
    untracked = _git(root, "ls-files", "--others", "--exclude-standard")
    return sorted({*tracked, *untracked})


def _merge_base(root: Path) -> str:
    for branch in ("origin/main", "main"):
        try:
            return _git(root, "merge-base", "HEAD", branch)[0]
        except subprocess.CalledProcessError:
            continue
    return "HEAD"


def _git(root: Path, *arguments: str) -> list[str]:
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603  always git
    return done.stdout.split("\n")[:-1]


def select(changed: Iterable[str], graph: grimp.ImportGraph, root: Path) -> list[str]:
    """Return the test files affected by the changed files, nearest first."""
    tests = {_module(path): path for path in _test_files(root)}
    nearness: dict[str, tuple[int, int]] = {}

    def add(name: str, kind: int, steps: int = 0) -> None:
        if name in tests:
            nearness[name] = min(nearness.get(name, (kind, steps)), (kind, steps))

    for path in changed:
        if path.endswith("conftest.py"):
            for name in _below(tests, Path(path).parent):
                add(name, NEIGHBOUR)
            continue
        modules = [_module(path)] if path.endswith(".py") else _naming(path, root)
        add(_module(path), CHANGED)
        for module in modules:
            add(module, IMPORTER)
            _add_related(module, tests, graph, add)
    return [tests[name] for name in sorted(nearness, key=lambda name: (nearness[name], name))]


def _add_related(module: str, tests: dict[str, str], graph: grimp.ImportGraph, add: Callable[..., None]) -> None:
    package, _, last = module.rpartition(".")
    neighbours = _below(tests, Path("tests", *package.split("."))) if package else []
    for name in neighbours:
        add(name, NAMESAKE if name.rpartition(".")[2] == f"test_{last}" else NEIGHBOUR)
    for name, steps in _importers(module, graph).items():
        add(name, IMPORTER if steps == 1 else INDIRECT, steps)


def _importers(module: str, graph: grimp.ImportGraph) -> dict[str, int]:
    """Return every module that imports this one, directly or not, with its distance in imports."""
    steps = {module: 0}
    waiting = deque(steps if module in graph.modules else ())
    while waiting:
        current = waiting.popleft()
        for name in graph.find_modules_that_directly_import(current):
            if name not in steps:
                steps[name] = steps[current] + 1
                waiting.append(name)
    return {name: count for name, count in steps.items() if count}


def _test_files(root: Path) -> list[str]:
    files = (root / "tests").rglob("test_*.py")
    return [str(path.relative_to(root)) for path in files if "e2e" not in path.parts]


def _below(tests: dict[str, str], folder: Path) -> list[str]:
    return [name for name, path in tests.items() if folder in Path(path).parents]


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _naming(path: str, root: Path) -> list[str]:
    """Return the modules whose text names this file: a template by its path, anything else by its name."""
    if not path.endswith(NAMED):
        return []
    name = path.removeprefix("templates/") if path.startswith("templates/") else Path(path).name
    sources = (source for package in PACKAGES for source in (root / package).rglob("*.py"))
    return [_module(str(source.relative_to(root))) for source in sources if name in source.read_text()]


class NearestFirst:
    """A pytest plugin that runs the files in this order and skips tests that have not started when time is up."""

    def __init__(self, files: list[str], seconds: float) -> None:
        self.order = {file: place for place, file in enumerate(files)}
        self.end = time.monotonic() + seconds
        self.left_out: list[str] = []

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Undo pytest-django's order, which puts tests without a database last."""
        items.sort(key=lambda item: self.order.get(_file(item), len(self.order)))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if time.monotonic() < self.end:
            return None
        self.left_out.append(_file(item))
        return True

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.left_out:
            files = list(dict.fromkeys(self.left_out))
            names = ", ".join(files[:SHOWN]) + (f" and {len(files) - SHOWN} more" if len(files) > SHOWN else "")
            terminalreporter.write_line(f"Out of time: {len(self.left_out)} tests were left out, in {names}.")


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def main() -> int:
    """Run the tests; return pytest's exit status, or 0 if there was nothing to run."""
    started = time.monotonic()
    os.chdir(ROOT)
    changed = changed_files(ROOT, os.environ.get("BASE"))
    graph = grimp.build_graph(*(name for name in PACKAGES if (ROOT / name).is_dir()), cache_dir=None)
    files = select(changed, graph, ROOT)
    print(f"{len(changed)} changed files, {len(files)} test files; browsers, TensorFlow and slow tests are left out.")
    if not files:
        return 0
    plugin = NearestFirst(files, LIMIT_SECONDS - (time.monotonic() - started))
    status = pytest.main(["-q", "-m", MARKS, *files], plugins=[plugin])
    return 0 if status == pytest.ExitCode.NO_TESTS_COLLECTED else int(status)


if __name__ == "__main__":
    sys.exit(main())

"""Run a script with the packages of one image only: `python -m tests.deploy.image SET` reads it from standard input.

Every other installed package raises ModuleNotFoundError, as it does in the image, so optional imports of libraries take
the same path there and here.
"""

import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError, packages_distributions
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


class OnlyThese(MetaPathFinder):
    """Refuses top-level modules of distributions that are not in a lock."""

    def __init__(self, lock: str) -> None:
        self.allowed = {_normal(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
        self.owners = packages_distributions()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if self.refuses(name):
            raise ModuleNotFoundError(f"No module named {name!r} in this image", name=name)
        return None

    def refuses(self, name: str) -> bool:
        owners = self.owners.get(name.partition(".")[0], ())
        return bool(owners) and self.allowed.isdisjoint(map(_normal, owners))

    def look_up(self, original: Callable[..., ModuleSpec | None]) -> Callable[..., ModuleSpec | None]:
        """Return `importlib.util.find_spec` as it is in the image: None, not an exception, for what is not there."""
        return lambda name, package=None: None if self.refuses(name) else original(name, package)

    def version(self, original: Callable[[str], str]) -> Callable[[str], str]:
        """Return `importlib.metadata.version` as it is in the image."""

        def look_up(name: str) -> str:
            if _normal(name) not in self.allowed:
                raise PackageNotFoundError(name)
            return original(name)

        return look_up


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    only_these = OnlyThese((ROOT / f"requirements-{sys.argv[1]}.txt").read_text())
    sys.meta_path.insert(0, only_these)
    importlib.util.find_spec = only_these.look_up(importlib.util.find_spec)
    importlib.metadata.version = only_these.version(importlib.metadata.version)
    script, sys.argv = sys.stdin.read(), [""]
    exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})

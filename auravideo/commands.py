"""Commands of this installation, for messages that tell an operator to run one. Standard library only."""

import sys
from pathlib import Path

VENV = Path(__file__).resolve().parents[1] / ".venv"


def manage(arguments: str) -> str:
    """Return the line that runs `manage.py` with `arguments`, to be pasted in the project's folder.

    Debian has no `python`, and its `python3` lacks our packages; in the images, `python` is the right one.
    """
    python = ".venv/bin/python" if Path(sys.prefix).resolve() == VENV.resolve() else "python"
    return f"{python} manage.py {arguments}"


FETCH_MODELS = manage("fetch_models")
DOCTOR = manage("doctor")


def cannot_start(error: Exception) -> str:
    """Return the one line with which a program ends whose settings are invalid."""
    return f"AuraVideo cannot start: {error}"

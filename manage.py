#!/usr/bin/env python
"""AuraVideo's command line."""

import os
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parent / ".venv"


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
    try:
        from django.core.exceptions import ImproperlyConfigured
        from django.core.management import execute_from_command_line

        from auravideo.commands import cannot_start
    except ModuleNotFoundError as error:
        sys.exit(wrong_python(error))
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(cannot_start(error))
    except ModuleNotFoundError as error:
        if Path(sys.prefix).resolve() == VENV.resolve():
            raise
        sys.exit(wrong_python(error))


def wrong_python(error: ModuleNotFoundError) -> str:
    """Return which Python to use instead of this one, which lacks a package."""
    command = " ".join([f"{VENV}/bin/python", *sys.argv])
    remedy = f"Run: {command}" if VENV.exists() else "Run `make run` once: it installs everything into .venv."
    return f"AuraVideo cannot start: {sys.executable} has no package {error.name}. {remedy}"


if __name__ == "__main__":
    main()

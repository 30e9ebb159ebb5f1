#!/usr/bin/env python
"""AuraVideo's command line."""

import os
import sys
from pathlib import Path

VENV = Path(__file__).resolve().parent / ".venv"
_SIGPIPE = 141  # the exit code that shells use for it


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
    except BrokenPipeError:  # whoever reads what we print has seen enough, as `| head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it ends
        sys.exit(_SIGPIPE)
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

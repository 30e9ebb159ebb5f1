"""Ruff's rules about security (S), also for migrations, which `make lint` leaves out."""

import sys
from pathlib import Path

from scripts.audit.outcomes import Outcome, State
from scripts.audit.tools import ROOT, run

PART = "Code"


def check(root: Path = ROOT) -> Outcome:
    """Check all of our code but the tests."""
    command = ("-m", "ruff", "check", "--select", "S", "--config", "extend-exclude=[]", "--output-format", "concise")
    done = run(sys.executable, *command, "--no-cache", str(root))
    if done.returncode == 0:
        return Outcome(PART, State.CLEAN, "ruff's rules about security find nothing.")
    if done.returncode == 1:
        return Outcome(PART, State.FOUND, "ruff's rules about security find something.", _lines(done.stdout))
    return Outcome(PART, State.UNCHECKED, "ruff did not run.", _lines(done.stderr))


def _lines(output: str) -> tuple[str, ...]:
    return tuple(line for line in output.splitlines() if line.strip())

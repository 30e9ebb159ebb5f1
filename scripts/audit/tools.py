"""The tools of requirements-audit.txt, run in an environment that uv makes and keeps in its cache."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNREACHABLE = "The tools in requirements-audit.txt could not be fetched from the package index."


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool, or a program of ours."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  none is a visitor's


def tool(*command: str) -> subprocess.CompletedProcess[str]:
    """Run one of the tools."""
    uv = Path(sys.executable).with_name("uv")
    options = ("--quiet", "--no-project", "--isolated", "--python", sys.executable)
    return run(str(uv), "run", *options, "--with-requirements", "requirements-audit.txt", *command)


def are_there() -> bool:
    """Return whether the tools could be fetched."""
    return tool("python", "-c", "").returncode == 0

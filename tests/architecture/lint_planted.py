"""Plant imports in a copy of the tree, one at a time, and lint the contract that each should break.

A process of its own, because import-linter finds packages through `sys.path`; one for all of them, because starting it
takes twenty times as long as linting what its cache, in FOLDER, knows.

    python lint_planted.py FOLDER < '[[contract, file, line], ...]'  ->  '[[status, output], ...]'
"""

import contextlib
import io
import json
import os
import sys
from pathlib import Path

from importlinter.cli import lint_imports


def lint(contract: str) -> tuple[int, str]:
    """Return what `lint-imports --contract CONTRACT` exits with and prints in this folder."""
    with contextlib.redirect_stdout(io.StringIO()) as output:
        status = lint_imports(limit_to_contracts=(contract,))
    return status, output.getvalue()


def lint_planted(contract: str, place: str, line: str) -> tuple[int, str]:
    path = Path(place)
    text = path.read_text()
    path.write_text(f"{text}\n{line}\n")
    try:
        return lint(contract)
    finally:
        path.write_text(text)


if __name__ == "__main__":
    os.chdir(sys.argv[1])
    json.dump([lint_planted(*planted) for planted in json.load(sys.stdin)], sys.stdout)

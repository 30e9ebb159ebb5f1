"""Plants imports in a copy of the tree, one at a time, and lints the contract that each should break.

Runs as a separate process, because import-linter finds packages through `sys.path`; as a single one, because its start
takes twenty times as long as linting with a warm cache in FOLDER.

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
    """Return the exit status and output of `lint-imports --contract CONTRACT` in this folder."""
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

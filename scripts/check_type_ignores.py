"""Check that every `type: ignore` has a code and a reason. Used by `make lint`; exits 1 and lists each violation.

    python -m scripts.check_type_ignores [FOLDER]

The format is `# type: ignore[code]  # reason`. mypy itself reports unused ignores.
"""

import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

FOLDERS = ("accounts", "auravideo", "gallery", "generation", "workers", "scripts", "tests")
IGNORE = re.compile(r"#\s*(type:\s*ignore|mypy:\s*(ignore-errors|disable-error-code))")
COMPLETE = re.compile(r"# type: ignore\[[a-z][a-z-]*(, ?[a-z][a-z-]*)*\]  # \w.*\w.*")
WORDS = 2  # minimum length of a reason


def incomplete(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, comment) of every ignore without an error code or a reason."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and IGNORE.search(token.string) and not _is_complete(token.string):
            yield token.start[0], token.string


def _is_complete(comment: str) -> bool:
    start = comment.find("# type: ignore[")
    return (
        start >= 0
        and COMPLETE.fullmatch(comment, start) is not None
        and len(comment.rpartition("  # ")[2].split()) >= WORDS
    )


def check(root: Path) -> list[str]:
    """Return 'path:line comment' of every incomplete ignore. Raise FileNotFoundError if there is nothing to read."""
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    if not paths:
        raise FileNotFoundError(f"{root} holds none of {', '.join(FOLDERS)}")
    return [
        f"{path.relative_to(root)}:{line} {comment}" for path in paths for line, comment in incomplete(path.read_text())
    ]


def main() -> int:
    found = check(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
    for line in found:
        print(f"{line}: write `# type: ignore[code]  # reason`")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

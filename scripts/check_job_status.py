"""Check that only one module writes `Job.status`. Used by `make lint`; exits 1 and lists each violation.

    python -m scripts.check_job_status [FOLDER]

It reads syntax trees and imports nothing. A queryset's model is rarely visible at the call, so every write of a
`status` counts, except a `RunStatus`, which only `StageRun` has, and calls that name a model other than `Job`.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

WRITER = Path("generation/queue/services.py")
FOLDERS = ("accounts", "auravideo", "gallery", "generation", "workers", "scripts")
SKIPPED = ("migrations",)  # migrations use historical models
FIELD = "status"
BUILDERS = ("create", "acreate", "get_or_create", "aget_or_create", "update_or_create", "aupdate_or_create")
UPDATES = ("update", "aupdate")
BULK_UPDATES = ("bulk_update", "abulk_update")
MANAGERS = ("objects", "_default_manager", "_base_manager")
SQL = re.compile(r"\b(update|insert\s+into)\s+\W?generation_job\b", re.IGNORECASE)


def writes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, description) of every write of a job's status in a syntax tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            yield from _assignments(node)
        elif isinstance(node, ast.Call):
            yield from _calls(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
            yield node.lineno, "writes the table in SQL"


def _assignments(node: ast.Assign | ast.AugAssign | ast.AnnAssign) -> Iterator[tuple[int, str]]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    for target in (inner for outer in targets for inner in ast.walk(outer)):
        if isinstance(target, ast.Attribute) and target.attr == FIELD and isinstance(target.ctx, ast.Store):
            yield node.lineno, f"assigns .{FIELD}"


def _calls(node: ast.Call) -> Iterator[tuple[int, str]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ("setattr", "__setattr__"):
        if any(_text(argument) == FIELD for argument in node.args):
            yield node.lineno, f"sets {FIELD!r} by name"
    elif not isinstance(node.func, ast.Attribute):
        if name == "Job" and _gives_status(node, unknown=False):
            yield node.lineno, f"makes a Job with a {FIELD}"
    elif name in BULK_UPDATES:
        fields = [*node.args[1:], *(word.value for word in node.keywords if word.arg == "fields")]
        if _may_be_jobs(node.func) and any(_names_status(found) for found in fields):
            yield node.lineno, f"calls {name}() with {FIELD!r}"
    # An unreadable ** counts only on a chain that starts at the model: elsewhere, update() is usually a dict's.
    elif (
        name in (*UPDATES, *BUILDERS)
        and _may_be_jobs(node.func)
        and _gives_status(node, unknown=_root(node.func) == "Job")
    ):
        yield node.lineno, f"calls {name}() with {FIELD!r}"


def _gives_status(node: ast.Call, *, unknown: bool) -> bool:
    """Return whether a call passes a status that may be a job's; `unknown` is returned for an unreadable **."""
    for word in node.keywords:
        if word.arg == FIELD and not _is_run_status(word.value):
            return True
        if word.arg in (None, "defaults", "create_defaults"):
            if isinstance(word.value, ast.Dict):
                pairs = zip(word.value.keys, word.value.values, strict=True)
                if any(_text(key) == FIELD and not _is_run_status(value) for key, value in pairs):
                    return True
            elif unknown and not (isinstance(word.value, ast.Call) and _root(word.value.func) == "RunStatus"):
                return True
    return False


def _names_status(node: ast.AST) -> bool:
    """Return whether a list of fields contains the status or is unreadable."""
    if isinstance(node, ast.List | ast.Tuple | ast.Set):
        return any(_text(field) == FIELD for field in node.elts)
    return True


def _is_run_status(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and _root(node) == "RunStatus"


def _may_be_jobs(func: ast.Attribute) -> bool:
    """Return False if the chain starts at the manager of another model."""
    root = _root(func)
    return root == "Job" or not any(
        isinstance(node, ast.Attribute) and node.attr in MANAGERS for node in ast.walk(func)
    )


def _root(node: ast.AST | None) -> str:
    """Return the name a chain of calls and attributes starts with: 'Job' for Job.objects.filter().update."""
    while isinstance(node, ast.Attribute | ast.Call | ast.Subscript):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.AST | None) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def check(root: Path) -> list[str]:
    """Return 'path:line what' for every write outside `WRITER`. Raise FileNotFoundError if there is nothing to read."""
    paths = sorted(path for folder in FOLDERS for path in (root / folder).rglob("*.py"))
    if root / WRITER not in paths:
        raise FileNotFoundError(f"{root / WRITER} is missing: has the writer of {FIELD} moved?")
    found = []
    for path in paths:
        place = path.relative_to(root)
        if place != WRITER and not set(SKIPPED) & set(place.parts):
            found += [f"{place}:{line} {what}" for line, what in writes(ast.parse(path.read_text(), str(place)))]
    return found


def main() -> int:
    found = check(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
    for line in found:
        print(f"{line}: only {WRITER} may write Job.{FIELD}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())

"""Storage keys are spelled in generation/domain/storage_keys.py and nowhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from generation.domain import storage_keys

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("accounts", "auravideo", "gallery", "generation", "workers")
OWNER = ROOT / "generation" / "domain" / "storage_keys.py"
ROOTS = (storage_keys.JOBS, storage_keys.VIDEOS)
NAMES = tuple(storage_keys.PICTURES.values())
# A name inside the data export's zip, not a storage key.
NO_KEYS = {("gallery/personal_data.py", "f'videos/{number:04d}-{file_stem(video)}'")}


def is_start(node: ast.AST) -> bool:
    """Return whether a string starts like a key."""
    return isinstance(node, ast.Constant) and str(node.value).startswith(tuple(f"{root}/" for root in ROOTS))


def is_root(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value in ROOTS


def is_key(node: ast.AST) -> bool:
    """Return whether a node builds a key, or names a file like one."""
    match node:
        case ast.JoinedStr(values=[first, *_]):
            return is_start(first)
        case ast.BinOp(left=left, op=ast.Add() | ast.Mod() | ast.Div()):
            return is_start(left) or is_root(left)
        case ast.Call(func=ast.Attribute(attr="format", value=pattern)):
            return is_start(pattern)
        case ast.Call(
            func=ast.Attribute(attr="join" | "joinpath"), args=[ast.List(elts=parts) | ast.Tuple(elts=parts)]
        ):
            return any(map(is_root, parts))
        case ast.Call(func=ast.Attribute(attr="join" | "joinpath"), args=parts):
            return any(map(is_root, parts))
        case ast.Assign(value=value):
            return is_start(value)
        case ast.Constant(value=value):
            return value in NAMES
    return False


def spelled(tree: ast.AST) -> Iterator[ast.AST]:
    """Return every node of a syntax tree that spells a key."""
    return filter(is_key, ast.walk(tree))


def offenders() -> list[tuple[str, str]]:
    paths = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py") if path != OWNER]
    assert len(paths) > 100, "there is nothing to read"
    found = []
    for path in paths:
        if "migrations" not in path.parts:
            place = str(path.relative_to(ROOT))
            found += [(place, ast.unparse(node)) for node in spelled(ast.parse(path.read_text(), place))]
    return found


def test_no_other_module_spells_a_key():
    assert [each for each in offenders() if each not in NO_KEYS] == []


def test_every_exception_is_still_needed():
    assert set(offenders()) >= NO_KEYS


def test_the_owner_itself_is_seen_spelling():
    assert list(spelled(ast.parse(OWNER.read_text())))


@pytest.mark.parametrize(
    "line",
    [
        'key = f"jobs/{job.pk}/preview.webp"',
        'delete_folder(storages["default"], f"videos/{job.pk}")',
        'KEY = "jobs/{}/preview"',
        'key = "jobs/{}/x".format(job.pk)',
        'key = "videos/%s/video.mp4" % job.pk',
        'key = "videos/" + str(job.pk)',
        'key = posixpath.join("jobs", str(job.pk))',
        'key = "/".join(["jobs", str(job.pk)])',
        'storage.save(f"{folder}/x", poster, name="poster.webp")',
        'path = "jobs" / Path(str(job.pk))',
    ],
)
def test_a_planted_key_is_found(line):
    assert list(spelled(ast.parse(f"def plant(job):\n    {line}")))


@pytest.mark.parametrize(
    "line",
    [
        'path("jobs/<uuid:job_id>/", views.job, name="job")',
        'context = {"jobs": jobs, "videos": videos}',
        'related = models.ForeignKey(User, models.CASCADE, related_name="videos")',
        'text = f"{count} videos"',
    ],
)
def test_addresses_and_names_are_no_keys(line):
    assert list(spelled(ast.parse(line))) == []

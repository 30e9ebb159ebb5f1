"""The files of videos, copied one by one through the storage, whichever it is.

All backups share one copy of each file. A file is copied again only if its size or date differs.
"""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from django.core.files import File
from django.core.files.storage import FileSystemStorage, storages

from auravideo.backups import BackupError
from auravideo.core import files
from generation.domain import storage_keys

_BLOCK = 2**20


@dataclass(frozen=True)
class Stored:
    """One file: its key, size in bytes and the time of its last change (Unix time)."""

    key: str
    size: int
    changed: float


def listing() -> Iterator[Stored]:
    """Yield every file of every video."""
    storage = storages["default"]
    if not isinstance(storage, FileSystemStorage):
        # One request for a thousand files; the storage's own interface needs two for each.
        prefix = f"{storage_keys.VIDEOS}/"
        for found in storage.bucket.objects.filter(Prefix=prefix):  # type: ignore[attr-defined]  # only S3 has it
            yield Stored(found.key, found.size, found.last_modified.timestamp())
        return
    root = Path(storage.path(""))
    for folder, _folders, names in os.walk(root / storage_keys.VIDEOS):
        for name in names:
            path = Path(folder) / name
            if not name.startswith("."):  # being written
                stat = path.stat()
                yield Stored(path.relative_to(root).as_posix(), stat.st_size, stat.st_mtime)


def copy_all(folder: Path) -> tuple[list[Stored], int]:
    """Copy into `folder` what is new. Return all files, and how many were copied.

    A video that is deleted while this runs is left out.
    """
    kept, copied = [], 0
    for found in listing():
        target = folder / found.key
        if _is_current(target, found):
            kept.append(found)
        elif _copy(found, target):
            kept.append(found)
            copied += 1
    return kept, copied


def put_back(folder: Path, wanted: Iterable[Stored]) -> int:
    """Store again what is missing or has another size; return how many. Raises BackupError if a copy is missing."""
    storage, count = storages["default"], 0
    present = {found.key: found.size for found in listing()}
    for file in wanted:
        if present.get(file.key) == file.size:
            continue
        source = folder / file.key
        if not source.is_file():
            raise BackupError(f"{source} is missing, so this backup cannot be restored completely.")
        with source.open("rb") as stream:
            saved = storage.save(file.key, File(stream))
        if saved != file.key:
            storage.delete(saved)
            raise BackupError(f"The storage does not overwrite {file.key}.")
        count += 1
    return count


def write_list(path: Path, found: Iterable[Stored]) -> None:
    """Write the files that a backup consists of, one a line."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{json.dumps(asdict(file))}\n" for file in found)


def read_list(path: Path) -> list[Stored]:
    """Return what `write_list` wrote. Raises BackupError."""
    try:
        with path.open(encoding="utf-8") as stream:
            return [Stored(**json.loads(line)) for line in stream]
    except (OSError, ValueError, TypeError) as error:
        raise BackupError(f"{path} cannot be read: {error}.") from None


def prune(folder: Path, needed: set[str]) -> int:
    """Delete the copies that no backup needs any more; return how many."""
    count = 0
    for parent, _folders, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent) / name
            if path.relative_to(folder).as_posix() not in needed:
                path.unlink()
                count += 1
        if Path(parent) != folder and not any(Path(parent).iterdir()):
            Path(parent).rmdir()
    return count


def _is_current(target: Path, found: Stored) -> bool:
    try:
        stat = target.stat()
    except FileNotFoundError:
        return False
    return stat.st_size == found.size and abs(stat.st_mtime - found.changed) < 1


def _copy(found: Stored, target: Path) -> bool:
    """Copy one file, completely or not at all. Return False if it is gone."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with storages["default"].open(found.key, "rb") as source, files.replacing(target) as part:
            with part.open("wb") as copy:
                shutil.copyfileobj(source, copy, _BLOCK)
            os.utime(part, (found.changed, found.changed))
    except FileNotFoundError:
        return False
    return True

"""Backups side by side in one folder, the oldest of which are deleted.

FOLDER/2026-11-28T03-00-00Z/    database.dump or database.sqlite3, and files.jsonl: what belongs to this backup
FOLDER/files/                   the files of all of them
FOLDER/last-success             touched by each complete backup
"""

import logging
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from auravideo.backups import BackupError, databases, videos
from auravideo.core import permissions

logger = logging.getLogger(__name__)

FILES, LIST, SUCCESS = "files", "files.jsonl", "last-success"
_PART = ".part"
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z")


@dataclass(frozen=True)
class Made:
    """What a backup did: its folder, how many files it has, how many of those were copied, and what was pruned."""

    path: Path
    files: int
    copied: int
    pruned: int


def make(folder: Path, keep: int) -> Made:
    """Make a backup in `folder` and delete all but the newest `keep`. Raises BackupError."""
    part = folder / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%SZ}{_PART}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f"*{_PART}"):  # of a backup that was interrupted
            shutil.rmtree(left)
        part.mkdir()
        # The folder itself may be somebody's own. What is in it was left open by earlier versions.
        permissions.close([*complete(folder), *folder.glob(FILES)], settings.UMASK)
        # The database first: a video that is finished meanwhile is in neither, or its files are copied in vain.
        databases.dump(part)
        found, copied = videos.copy_all(folder / FILES)
        videos.write_list(part / LIST, found)
        path = part.rename(part.with_suffix(""))
        pruned = _prune(folder, keep)
        (folder / SUCCESS).touch()
    except OSError as error:
        raise BackupError(f"{error.filename or folder}: {error.strerror or error}.") from error
    return Made(path, len(found), copied, pruned)


def complete(folder: Path) -> list[Path]:
    """Return the backups in `folder`, the oldest first."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and _NAME.fullmatch(path.name))


def restore(path: Path) -> int:
    """Bring back the database, then the videos. Return how many files were stored again. Raises BackupError."""
    found = videos.read_list(path / LIST)
    databases.restore(path)
    return videos.put_back(path.parent / FILES, found)


def _prune(folder: Path, keep: int) -> int:
    """Delete old backups, and the files that only they needed: a video that its owner deleted must be gone one day."""
    snapshots = complete(folder)
    for old in snapshots[:-keep]:
        shutil.rmtree(old)
        logger.info("Deleted the backup %s", old.name)
    needed = {file.key for path in snapshots[-keep:] for file in videos.read_list(path / LIST)}
    return videos.prune(folder / FILES, needed)

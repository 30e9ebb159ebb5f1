"""The checks of a storage that is a folder on this machine."""

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from django.core.files.storage import FileSystemStorage

from auravideo.storage_checks.basics import Basics
from auravideo.storage_checks.findings import Finding, Problem, State, carry_out

TOO_LITTLE, LITTLE = 500 * 2**20, 5 * 2**30  # bytes; an hour of clips of 1024 pixels has frames of about 5 GB
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def check(alias: str, storage: FileSystemStorage) -> Iterator[Finding]:
    """Yield the findings of every check of a folder, which is created if it is missing."""
    folder, basics = Path(storage.location), Basics(alias, storage)
    before = [
        ("folder", lambda: _folder(folder)),
        ("permissions", lambda: _permissions(folder)),
        ("free space", lambda: _space(folder)),
    ]
    for finding in carry_out(alias, [*before, *basics.steps(), *basics.last_steps()], _advise):
        yield finding
        if finding.check == "folder" and finding.state == State.FAILED:
            return


def _folder(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _permissions(folder: Path) -> str:
    mode = folder.stat().st_mode
    if mode & OTHERS_WRITE:
        detail = f"other users of this machine may write to it ({stat.filemode(mode)})"
        raise Problem(detail, f"chmod go-w {folder}", State.WARNING)
    return stat.filemode(mode)


def _space(folder: Path) -> str:
    free = shutil.disk_usage(folder).free
    detail = f"{free / 2**30:.1f} GiB"
    if free < LITTLE:
        state = State.FAILED if free < TOO_LITTLE else State.WARNING
        raise Problem(detail, "Make room, or set AURAVIDEO_HOME to a folder on a larger disk.", state)
    return detail


def _advise(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "Give the folder to the user who runs AuraVideo (chown), or set AURAVIDEO_HOME to another one."
    return "Set AURAVIDEO_HOME to a folder on a disk that works."

"""Temporary folders of processes that may be killed at any time: what one leaves behind, the next one removes."""

import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path

_PREFIX = "auravideo-model-"
_SETTLED_SECONDS = 60  # a younger one may not be locked yet


class OwnFolder:
    """A temporary folder, locked while its owner lives."""

    def __init__(self) -> None:
        remove_left()
        self.path = tempfile.mkdtemp(prefix=_PREFIX)
        self._lock = _locked(self.path)

    def remove(self) -> None:
        """Remove the folder with everything in it. Does nothing if that was done."""
        shutil.rmtree(self.path, ignore_errors=True)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


def remove_left() -> None:
    """Remove the folders whose owners are gone."""
    for folder in Path(tempfile.gettempdir()).glob(_PREFIX + "*"):
        try:
            is_settled = folder.stat().st_mtime < time.time() - _SETTLED_SECONDS
        except OSError:
            continue
        if is_settled and (lock := _locked(str(folder))) is not None:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _locked(folder: str) -> int | None:
    """Return a descriptor that keeps the folder locked; None if another process does, or it is not ours."""
    try:
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        return None
    return file

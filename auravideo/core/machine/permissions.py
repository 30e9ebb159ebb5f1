"""Who may read the site's files: its own user alone, or those whom AURAVIDEO_UMASK lets.

What the site creates has these permissions from the start. What an earlier version or a copy left open is closed by
`serve` and `backup`: the outermost folders and files, which nobody then gets past.
"""

import logging
import stat
from collections.abc import Iterable
from pathlib import Path

logger = logging.getLogger(__name__)

# What a home consists of. Its folder is closed only if nothing else is in it: it may be somebody's own, or shared.
_OURS = {
    "db.sqlite3", "db.sqlite3-journal", "db.sqlite3-shm", "db.sqlite3-wal", "frames", "media", "migrate.lock", "models",
    "precision.json", "redis", "secret_key", "serve", "static", "static-collected", "static.lock",
}  # fmt: skip
_PUBLIC = {"models", "static", "static-collected", "static.lock", "migrate.lock"}


def of_home(home: Path) -> list[Path]:
    """Return what has to be closed in a home: what is ours and not public, and the folder itself if all is ours."""
    entries = sorted(home.iterdir())
    closed = [path for path in entries if path.name in _OURS - _PUBLIC]
    return [home, *closed] if all(path.name in _OURS or path.name.startswith(".") for path in entries) else closed


def lax(paths: Iterable[Path], umask: int) -> list[Path]:
    """Return those that others may read, write or enter against `umask`. Symbolic links are left to their targets."""
    return [path for path in paths if not path.is_symlink() and _is_lax(path, umask)]


def close(paths: Iterable[Path], umask: int) -> None:
    """Take away what `umask` forbids, and log it; also what cannot be changed, as for files of another user."""
    closed, left = [], []
    for path in lax(paths, umask):
        try:
            path.chmod(_mode(path) & ~umask)
            closed.append(str(path))
        except OSError as error:
            left.append(f"{path} ({error.strerror})")
    if closed:
        logger.warning("Closed to other users: %s. AURAVIDEO_UMASK=027 would let the group read", ", ".join(closed))
    if left:
        logger.warning("Other users can read these, and we may not change that: %s", ", ".join(left))


def _is_lax(path: Path, umask: int) -> bool:
    try:
        return bool(_mode(path) & umask)
    except FileNotFoundError:  # such as the database's journal, which comes and goes
        return False


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)

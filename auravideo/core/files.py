"""Atomic file writes: a reader sees the old content or the new, never a half-written file.

Content goes to a hidden file in the same folder, which is then renamed. Standard library only, because settings and the
pure modules import this.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def beside(path: str | Path) -> Iterator[Path]:
    """Yield an unused hidden path next to `path`, with the same suffix, and delete whatever is left there."""
    path = Path(path)
    part = path.with_name(f".{path.stem}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to; it replaces `path` when the block ends and is deleted if the block raises.

    Raises:
        OSError: the file cannot replace `path`, which is left untouched.
    """
    with beside(path) as part:
        yield part
        part.replace(path)


def replace_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8 to `path` atomically, creating its folder if needed."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")


def create_once(path: str | Path, text: str) -> bool:
    """Write `text` as UTF-8 to a new file, readable by its owner only, unless the file exists.

    If several processes race, the first one wins. Return whether this call created the file.
    """
    with beside(path) as part:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text)
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        return True


@contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, creating it if needed; wait while another process holds it.

    The operating system releases the lock when its holder dies.
    """
    with Path(path).open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield

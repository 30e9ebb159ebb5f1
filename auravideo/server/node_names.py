"""The names of this machine's workers, each used by one `serve` at a time.

Two workers of one name take each other's rows in the roster and each other's orders, and share a card unawares. A lock
on a file tells them apart: the operating system releases it however its holder ends.
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

logger = logging.getLogger(__name__)

_FOLDER = "serve"
_PATIENCE_SECONDS = 10.0  # a `serve` that is being replaced may still be stopping
_LOOK_SECONDS = 0.2


class NameTaken(Exception):
    """Another `serve` runs a worker of that name; `name` is the worker's."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"Another `serve` on this folder already runs the worker {name}.")


@contextmanager
def held(home: Path, names: Iterable[str], should_stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Keep the names of workers while the block runs. Where files cannot be made or locked, nothing happens.

    Raises:
        NameTaken: another process keeps one, and does not let it go within ten seconds.
    """
    folder = home / _FOLDER
    with ExitStack() as stack:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for name in sorted(names):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                file = os.open(folder / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:  # of another user, say root, who ran a worker here once; or a full disk
                logger.warning("Nothing tells whether another `serve` runs the worker %s: %s", name, error)
                continue
            stack.callback(os.close, file)
            while not _take(file):
                if time.monotonic() > deadline or should_stop():
                    raise NameTaken(name)
                time.sleep(_LOOK_SECONDS)
        yield


def _take(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a network folder without locks
    return True

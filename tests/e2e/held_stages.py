"""Hold a job of a running site where a test needs it: before a stage, or in the midst of one that has begun.

A queue is held by stopping its worker's processes (SIGSTOP), a stage by letting it read its frames from a pipe into
which the test has yet to write. To the site both look like a stage that takes long.
"""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.site import Site

PATIENCE = 240  # seconds; bounds a hanging test


@contextmanager
def held_queue(site: Site, queue: str) -> Iterator[None]:
    """Let the worker of a queue stand still: what comes to it waits."""
    workers = _workers(site, queue)
    try:
        _send(signal.SIGSTOP, workers)
        while not _can_be_written(site):  # it stands in the midst of a transaction
            _send(signal.SIGCONT, workers)
            time.sleep(0.05)
            _send(signal.SIGSTOP, workers)
        yield
    finally:
        _send(signal.SIGCONT, workers)


def job_folder(site: Site, job: str) -> Path:
    """Where the frames of a job are."""
    return site.home / "frames" / "jobs" / job


def chunk(site: Site, job: str, stage: str) -> Path:
    """The first chunk that a stage wrote."""
    return job_folder(site, job) / stage / "0000.safetensors"


class HeldFrames:
    """A chunk that its reader gets only when it is given.

    Put in place while the reader's queue is held: `HeldFrames(path)`, then, with the queue running, `wait_for_reader`.
    """

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.path = path
        path.unlink()
        os.mkfifo(path)
        self._end = os.open(path, os.O_RDWR)  # for writing alone, opening would wait for the reader

    def wait_for_reader(self, site: Site, queue: str) -> None:
        """Returns when a worker of the queue has opened the chunk."""
        wait_until(lambda: any(self._is_open_in(pid) for pid in _workers(site, queue)), f"nobody reads {self.path}")

    def give(self) -> None:
        """What was there, to the end; the reader goes on."""
        with open(self._end, "wb") as pipe:
            pipe.write(self.content)

    def _is_open_in(self, pid: int) -> bool:
        with suppress(OSError):
            return any(os.path.realpath(link) == str(self.path) for link in Path(f"/proc/{pid}/fd").iterdir())
        return False


def wait_until(is_so, otherwise: str) -> None:
    """Returns when `is_so()`; raises AssertionError when it never is."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, number)


def _can_be_written(site: Site) -> bool:
    """Whether nobody holds the write lock of the site's database for longer than a moment."""
    with closing(sqlite3.connect(site.home / "db.sqlite3", timeout=2, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        database.execute("ROLLBACK")
        return True


def _workers(site: Site, queue: str) -> list[int]:
    """The processes of a queue's worker, the parent and its child."""
    name = f"{queue}@%h".encode()
    found = [pid for pid in site.processes() if name in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    assert len(found) == 2, f"the worker of {queue} has these processes: {found}"
    return found

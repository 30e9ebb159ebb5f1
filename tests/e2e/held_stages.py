"""Tools to hold a running site's job where a test needs it: before a stage, or in the middle of one.

A queue is held by stopping its worker's processes (SIGSTOP), a stage by making it read its frames from a pipe that the
test has not yet written to. To the site, both look like a slow stage.
"""

import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from tests.site import Site

PATIENCE = 240  # seconds; limits a hanging test


@contextmanager
def held_queue(site: Site, queue: str) -> Iterator[None]:
    """Pause the worker of a queue, so that incoming jobs wait."""
    workers = _workers(site, queue)
    try:
        _send(signal.SIGSTOP, workers)
        while not _can_be_written(site):  # it was stopped inside a transaction
            _send(signal.SIGCONT, workers)
            time.sleep(0.05)
            _send(signal.SIGSTOP, workers)
        yield
    finally:
        _send(signal.SIGCONT, workers)


def job_folder(site: Site, job: str) -> Path:
    """Return the folder of a job's frames."""
    return site.home / "frames" / "jobs" / job


def chunk(site: Site, job: str, stage: str, index: int = 0) -> Path:
    """Return the path of a chunk that a stage wrote, by default the first."""
    return job_folder(site, job) / stage / f"{index:04d}.safetensors"


class HeldFrames:
    """A chunk that its reader gets only when the test gives it.

    Create `HeldFrames(path)` while the reader's queue is held; once the queue runs again, call `wait_for_reader`.
    """

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.path = path
        path.unlink()
        os.mkfifo(path)
        self._end = os.open(path, os.O_RDWR)  # O_WRONLY would block until there is a reader

    def wait_for_reader(self, site: Site, queue: str) -> None:
        """Wait until a worker of the queue has opened the chunk."""
        wait_until(lambda: any(self._is_open_in(pid) for pid in _workers(site, queue)), f"nobody reads {self.path}")

    def give(self) -> None:
        """Write the whole chunk to the pipe, so that the reader continues."""
        with open(self._end, "wb") as pipe:
            pipe.write(self.content)

    def put_back(self) -> None:
        """Turn it back into a file once the reader is gone."""
        os.close(self._end)
        self.path.unlink()
        self.path.write_bytes(self.content)

    def _is_open_in(self, pid: int) -> bool:
        with suppress(OSError):
            return any(os.path.realpath(link) == str(self.path) for link in Path(f"/proc/{pid}/fd").iterdir())
        return False


def wait_until(is_so, otherwise: str, patience: float = PATIENCE) -> None:
    """Wait until `is_so()`; raise AssertionError after `patience` seconds."""
    deadline = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def stop_in_the_midst(site: Site, queue: str) -> None:
    """Stop a site whose `queue` is held; resume the worker only after SIGTERM, so that it hands its stage back.

    Call this within `held_queue`, whose exit then has nothing left to do.
    """
    workers = _workers(site, queue)
    site.process.send_signal(signal.SIGINT)
    wait_until(lambda: any(_is_asked_to_end(pid) for pid in workers), f"the worker of {queue} was not asked to stop")
    _send(signal.SIGCONT, workers)
    assert site.wait_until_stopped() == 0


def _is_asked_to_end(pid: int) -> bool:
    """Return whether a stopped process has a pending SIGTERM (proc(5): a mask whose bit 0 is signal 1)."""
    pending = re.findall(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in pending)


def _send(number: signal.Signals, pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _can_be_written(site: Site) -> bool:
    """Return whether the write lock of the site's database is free, or is released within two seconds."""
    with closing(sqlite3.connect(site.home / "db.sqlite3", timeout=2, isolation_level=None)) as database:
        try:
            database.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        database.execute("ROLLBACK")
        return True


def _workers(site: Site, queue: str) -> list[int]:
    """Return the processes of a queue's worker: the parent and its child."""
    named = f"{queue}@".encode()
    found = [
        pid
        for pid in site.processes()
        if any(word.startswith(named) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"))
    ]
    assert len(found) == 2, f"the worker of {queue} has these processes: {found}"
    return found

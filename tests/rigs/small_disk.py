"""A rig: a small disk (tmpfs) in place of folders, which can be full or read-only. Only root can mount one.

What it cannot show: a disk that is slow, or that returns errors of its own.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BLOCK = bytes(4096)


class Disk:
    """The disks, one per folder, mounted for the length of the block."""

    def __init__(self, *folders: Path, megabytes: int = 16) -> None:
        self.folders, self.megabytes = folders, megabytes

    def __enter__(self) -> "Disk":
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "none", folder], check=True)
        return self

    def __exit__(self, *_error: object) -> None:
        for folder in self.folders:
            subprocess.run(["umount", "-l", folder], check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Fill them up for the length of the block, also with what is freed meanwhile at the start."""
        ballast = [folder / "ballast" for folder in self.folders]
        for file in ballast:
            with file.open("wb", buffering=0) as stream, suppress(OSError):
                while True:
                    stream.write(BLOCK)
        try:
            yield
        finally:
            for file in ballast:
                file.unlink()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Forbid writing for the length of the block."""
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def _remount(self, how: str) -> None:
        deadline = time.monotonic() + 20
        for folder in self.folders:
            command = ["mount", "-o", f"remount,{how}", str(folder)]
            while subprocess.run(command, check=False, capture_output=True).returncode:
                assert time.monotonic() < deadline, "a file is open for writing all the time"

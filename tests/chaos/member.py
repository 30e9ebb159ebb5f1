"""One worker of the campaign's site, with the real tiny models (tests/rigs/troubled_worker.py)."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tests.site import ROOT

if TYPE_CHECKING:
    from tests.chaos.world import World

Variables = Mapping[str, str]


class Member:
    """A worker of the site, started again whenever it ends unless it is `down`."""

    def __init__(self, world: "World", queue: str, variables: Variables) -> None:
        self.world, self.queue, self.variables = world, queue, dict(variables)
        self.root = ROOT
        self.down = False
        self.popen: subprocess.Popen | None = None
        self.lock = threading.RLock()

    def start(self) -> None:
        """Start it, on the code in `root`, within its limit of memory if it has one."""
        options = ["-Q", self.queue, "-n", f"{self.queue}@chaos", "--concurrency", "1"]
        command = [sys.executable, "-m", "tests.rigs.troubled_worker", *options, "--loglevel", "INFO"]
        environment = {
            **self.world.site.environment, "OMP_NUM_THREADS": "1", "CHAOS_TROUBLE": str(self.world.trouble.folder),
            **self.variables,
        }  # fmt: skip
        with self.world.log(self.queue).open("ab") as log:
            self.popen = subprocess.Popen(
                [*self.world.limits[self.queue].prefix, *command] if self.queue in self.world.limits else command,
                cwd=self.root, env=environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def keep(self) -> None:
        """Start it again if it ended by itself."""
        with self.lock:
            if not self.down and (self.popen is None or self.popen.poll() is not None):
                self.kill()
                self.start()

    def kill(self) -> None:
        """Kill what is left of the worker and its children, and reap it."""
        if self.popen is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()

    @contextmanager
    def away(self, number: int) -> Iterator[None]:
        """Stop it with a signal, and start it again at the end of the block."""
        with self.lock:
            self.down = True
        self.popen.send_signal(number)
        try:
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(60)
            yield
        finally:
            with self.lock:
                self.kill()
                self.down = False
                self.start()

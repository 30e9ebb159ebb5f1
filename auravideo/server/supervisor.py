"""Start, watch and end the processes that make up a site, and leave none behind."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

STOP_SECONDS = 20  # for a worker to hand its job back
_PR_SET_PDEATHSIG = 1  # Linux, prctl(2): the signal that a child gets when its parent dies


@dataclass
class Process:
    """One program of the site. A `vital` one ends the site when it ends; any other is started again."""

    name: str
    command: Sequence[str]
    vital: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    popen: subprocess.Popen | None = None
    started: float = 0.0
    failures: int = 0

    def start(self) -> None:
        """Run it in a process group of its own, so that all of it can be ended."""
        popen = subprocess.Popen(  # noqa: S603
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.environment},
            process_group=0,
            preexec_fn=die_with_parent,
            text=True,
            errors="replace",
        )
        self.popen, self.started = popen, time.monotonic()
        threading.Thread(target=self._relay, args=(popen.stdout,), daemon=True).start()

    def _relay(self, output: Iterable[str]) -> None:
        for line in output:
            sys.stdout.write(f"{self.name:<12}| {line}")
            sys.stdout.flush()

    @property
    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the program itself."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)

    def kill_group(self) -> None:
        """End whatever of its process group is left."""
        if self.popen is not None:
            try:
                os.killpg(self.popen.pid, signal.SIGKILL)
            except ProcessLookupError:
                return


def die_with_parent() -> None:
    """In the child, before it becomes the program: a killed `serve` must leave no process behind either."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Keeps a set of processes running until it is told to stop or a vital one ends."""

    RESTART_PAUSE = 2.0
    SETTLED_SECONDS = 60.0
    MAX_FAILURES = 5  # in a row, each within SETTLED_SECONDS of its start

    def __init__(self, processes: Sequence[Process], tend: Callable[[], object]) -> None:
        """`tend` is called now and then, to see to what the processes stand on."""
        self.processes = list(processes)
        self.tend = tend
        self.failed: Process | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        for process in self.processes:
            process.start()

    def ask_to_stop(self, *_signal: object) -> None:
        """Make `watch` return; safe in a signal handler."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        return self._stop.is_set()

    def watch(self) -> None:
        """Restart what ends; return when asked to stop, or when a vital process ended (`failed` says which)."""
        while not self._stop.wait(0.5):
            self.tend()
            for process in self.processes:
                if not process.is_running and not self._revive(process):
                    self.failed = process
                    return

    def _revive(self, process: Process) -> bool:
        settled = time.monotonic() - process.started > self.SETTLED_SECONDS
        process.failures = 0 if settled else process.failures + 1
        if process.vital or process.failures > self.MAX_FAILURES:
            return False
        process.kill_group()
        if not self._stop.wait(self.RESTART_PAUSE):
            process.start()
        return True

    def stop(self) -> None:
        """Ask every process to end, wait, then end what is left."""
        for process in self.processes:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.processes:
            if process.popen is not None:
                try:
                    process.popen.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    sys.stdout.write(f"{process.name} did not end by itself\n")
            process.kill_group()

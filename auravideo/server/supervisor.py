"""A process supervisor: starts, watches and stops the site's processes, leaving none behind."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings

from auravideo.core.logs import lines

STOP_SECONDS = 20  # for a worker to hand back its job
_PR_SET_PDEATHSIG = 1  # Linux, prctl(2): the signal sent to a child when its parent dies


@dataclass
class Process:
    """One process of the site. If a `vital` one exits, the site stops; any other is restarted."""

    name: str
    command: Sequence[str]
    vital: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    popen: subprocess.Popen | None = None
    started: float = 0.0
    failures: int = 0

    def start(self) -> None:
        """Start the process in its own process group, so that its children can be killed with it."""
        popen = subprocess.Popen(  # noqa: S603
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.environment},
            cwd=settings.BASE_DIR,  # wherever `serve` was started
            process_group=0,
            preexec_fn=die_with_parent,
            text=True,
            errors="replace",
        )
        self.popen, self.started = popen, time.monotonic()
        threading.Thread(target=self._relay, args=(popen.stdout,), daemon=True).start()

    def _relay(self, output: Iterable[str]) -> None:
        for line in output:
            sys.stdout.write(lines.relay(self.name, line, settings.LOG_FORMAT) + "\n")
            sys.stdout.flush()

    @property
    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, not to its group."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)

    def kill_group(self) -> None:
        """Kill what is left of its process group."""
        if self.popen is not None:
            try:
                os.killpg(self.popen.pid, signal.SIGKILL)
            except ProcessLookupError:
                return


def die_with_parent() -> None:
    """Request SIGTERM on the parent's death (runs in the child before exec), so a killed `serve` leaves nothing."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Supervisor:
    """Runs a set of processes until told to stop or a vital one exits."""

    RESTART_PAUSE = 2.0
    SETTLED_SECONDS = 60.0
    MAX_FAILURES = 5  # in a row, each within SETTLED_SECONDS of its start

    def __init__(self, processes: Sequence[Process], tend: Callable[[], object]) -> None:
        """Store the processes; `tend` is called regularly to look after what they depend on."""
        self.processes = list(processes)
        self.tend = tend
        self.failed: Process | None = None
        self._stop = threading.Event()

    def start(self) -> None:
        for process in self.processes:
            process.start()

    def ask_to_stop(self, *_signal: object) -> None:
        """Make `watch` return; safe to call from a signal handler."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        return self._stop.is_set()

    def watch(self) -> None:
        """Restart processes that exit; return when asked to stop or when one fails for good (then it is `failed`)."""
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
        """Send SIGTERM to every process, wait up to STOP_SECONDS, then kill the rest."""
        for process in self.processes:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.processes:
            if process.popen is not None:
                try:
                    process.popen.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    sentence = f"{process.name} did not exit in time and was killed"
                    sys.stdout.write(lines.own("serve", sentence, settings.LOG_FORMAT) + "\n")
            process.kill_group()

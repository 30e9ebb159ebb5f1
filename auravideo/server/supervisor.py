"""A process supervisor: starts, watches and stops the site's processes, leaving none behind.

No process ends the site. Whatever exits is started again, after pauses that grow while it keeps exiting. So is whatever
runs and no longer answers.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from auravideo.core.liveness import parents, starvation
from auravideo.core.logs import lines
from auravideo.server.answers import Answers
from auravideo.server.backoff import Backoff

STOP_SECONDS = 20  # for a worker to hand back its job
KILL_SECONDS = 10  # for what was killed to be gone: the kernel frees gigabytes first


@dataclass
class Process:
    """One process of the site.

    Attributes:
        must_start: if it exits before the site is ready, the start has failed.
        environment: variables in addition to ours.
        files: open files that it inherits.
        answers: its answers to our questions; without, all that counts is that it runs.
        verdict: why we ended it; "" if we did not.
        has_hung: whether it was started again because it hung, and has not run well for long enough since.
    """

    name: str
    command: Sequence[str]
    must_start: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[int] = ()
    answers: Answers | None = None
    niceness: int = 0  # how far others come first, for the processor
    popen: subprocess.Popen | None = None
    started: float = 0.0
    backoff: Backoff = field(default_factory=Backoff)
    verdict: str = ""
    has_hung: bool = False

    def start(self) -> None:
        """Start the process in its own process group, so that its children can be killed with it."""
        popen = subprocess.Popen(  # noqa: S603  one of our own commands
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **parents.environment(), **self.environment},
            cwd=settings.BASE_DIR,  # wherever `serve` was started
            process_group=0,
            pass_fds=self.files,
            preexec_fn=parents.before_exec(),
            text=True,
            errors="replace",
        )
        if self.niceness:  # before it has any threads, which inherit it
            niceness = min(19, os.getpriority(os.PRIO_PROCESS, 0) + self.niceness)
            with suppress(ProcessLookupError):  # it has ended already
                os.setpriority(os.PRIO_PROCESS, popen.pid, niceness)
        self.popen, self.started, self.verdict = popen, time.monotonic(), ""
        if self.answers is not None:
            self.answers.begin()
        threading.Thread(target=self._relay, args=(popen.stdout,), daemon=True).start()

    def _relay(self, output: Iterable[str]) -> None:
        for line in output:
            sys.stdout.write(lines.relay(self.name, line, settings.LOG_FORMAT) + "\n")
            sys.stdout.flush()

    @property
    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    @property
    def is_silent(self) -> bool:
        """Return whether it does not answer, or did not until we started it again a moment ago."""
        return self.has_hung or (self.answers is not None and self.is_running and self.answers.is_silent)

    def end_if_hung(self, waited: float) -> None:
        """Ask, and kill it if it has not answered for too long.

        Args:
            waited: for how long it has waited for a CPU, or we have, in seconds.
        """
        if self.answers is None or self.popen is None:
            return
        self.answers.look(waited)
        if self.answers.is_hung:
            self.verdict = f"did not answer for {self.answers.silence:.0f} s and was killed"
            self.has_hung = True
            self.popen.kill()

    def signal(self, number: int) -> None:
        """Send a signal to the process itself, not to its group."""
        if self.popen is not None and self.popen.poll() is None:
            self.popen.send_signal(number)

    def kill_group(self) -> int | None:
        """Kill what is left of its process group. Return the group's number, None if nothing is left."""
        if self.popen is None or _is_gone(self.popen.pid):
            return None
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        return self.popen.pid

    def last_words(self) -> str:
        """Return how it ended, for the log."""
        if self.verdict:
            return self.verdict
        status = self.popen.returncode if self.popen is not None else None
        if status is not None and status < 0:
            return f"was ended by signal {-status} ({signal.strsignal(-status)})"
        return f"exited with status {status}"


def _is_gone(group: int) -> bool:
    """Return whether no process of a group is left. Those whose parent died are ours, and waited for here."""
    try:
        while os.waitpid(-group, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):  # macOS denies it for a group of zombies, which init waits for
        return True
    return False


class Supervisor:
    """Runs a set of processes until told to stop.

    Args:
        tend: called regularly to look after what the processes depend on. If it raises, it is called again later.
        report: called now and then with the processes that keep exiting or do not answer, and once with none when
            that is over.
    """

    STEP_SECONDS = 0.5
    SETTLED_SECONDS = 60.0  # a process that has run for this long is well
    FAILING_AFTER = 3  # exits in a row, each within SETTLED_SECONDS of its start
    REPORT_SECONDS = 5.0

    def __init__(
        self,
        processes: Sequence[Process],
        *,
        tend: Callable[[], object] = lambda: None,
        report: Callable[[Sequence[Process]], object] = lambda _failing: None,
    ) -> None:
        self.processes = list(processes)
        self.tend, self._tending = tend, Backoff()
        self._report, self._reported, self._has_reported = report, float("-inf"), False
        self._stop = threading.Event()
        self._starvation = starvation.Watch()
        self._dying: set[int] = set()  # process groups that were killed and are not gone yet

    def start(self) -> None:
        for process in self.processes:
            process.start()

    def ask_to_stop(self, *_signal: object) -> None:
        """Make `watch` return; safe to call from a signal handler."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        return self._stop.is_set()

    @property
    def failing(self) -> list[Process]:
        """Return the processes that keep exiting."""
        return [process for process in self.processes if process.backoff.failures >= self.FAILING_AFTER]

    @property
    def unwell(self) -> list[Process]:
        """Return the processes that keep exiting or do not answer."""
        failing = self.failing
        return [process for process in self.processes if process in failing or process.is_silent]

    def pause(self, seconds: float) -> None:
        """Wait, but not when asked to stop."""
        self._stop.wait(seconds)

    def watch(self) -> None:
        """Keep the processes running; return when asked to stop."""
        while not self.is_stopping:
            self.step()
            self.pause(self.STEP_SECONDS)

    def step(self) -> None:
        """Start what exited and has paused for long enough. Waits for nothing, so a stop takes effect at once."""
        self._look_after_the_rest()
        self._end_hung()
        for process in self.processes:
            self._keep_up(process)
        self._dying = {group for group in self._dying if not _is_gone(group)}
        self._report_unwell()

    def _look_after_the_rest(self) -> None:
        if not self._tending.is_over:
            return
        try:
            self.tend()
        except (ImproperlyConfigured, OSError) as error:
            _say(f"{error} Next try in {self._tending.fail():g} s.")
        else:
            self._tending = Backoff()

    def _end_hung(self) -> None:
        asked = {
            process.popen.pid: process
            for process in self.processes
            if process.answers is not None and process.popen is not None and process.is_running
        }
        self._starvation.look([*asked, os.getpid()])
        ours = self._starvation.seconds(os.getpid())  # whoever asks late hears late
        for pid, process in asked.items():
            process.end_if_hung(self._starvation.seconds(pid) + ours)

    def _keep_up(self, process: Process) -> None:
        backoff = process.backoff
        if process.is_running:
            if time.monotonic() - process.started > self.SETTLED_SECONDS and not process.verdict:
                backoff.failures = 0
                process.has_hung &= process.answers is None or not process.answers.has_answered
        elif process.popen is not None:
            if time.monotonic() - process.started > self.SETTLED_SECONDS:
                backoff.failures = 0
            self._kill_rest(process)
            _say(f"{process.name} {process.last_words()}; starting it again in {backoff.fail():g} s")
            process.popen = None
        elif backoff.is_over and not self.is_stopping:
            try:
                process.start()
            except OSError as error:  # no memory or no process to spare
                _say(f"{process.name} cannot be started: {error}; trying again in {backoff.fail():g} s")

    def _report_unwell(self) -> None:
        """Report every few seconds: what is reported expires, in case this process is killed."""
        unwell, now = self.unwell, time.monotonic()
        if not unwell and not self._has_reported:
            return
        if not unwell or now - self._reported >= self.REPORT_SECONDS:
            self._report(unwell)
            self._reported, self._has_reported = now, bool(unwell)

    def stop(self) -> None:
        """Send SIGTERM to every process, wait up to STOP_SECONDS, then kill the rest and wait until it is gone."""
        for process in self.processes:
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.processes:
            if process.popen is not None:
                try:
                    process.popen.wait(max(0.1, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    _say(f"{process.name} did not exit in time and was killed")
                    process.popen.kill()
                    with suppress(subprocess.TimeoutExpired):
                        process.popen.wait(KILL_SECONDS)
            self._kill_rest(process)
        self._see_off()
        if self._has_reported:
            self._report([])

    def _kill_rest(self, process: Process) -> None:
        """Kill what a process that has ended left behind in its group."""
        if (group := process.kill_group()) is not None:
            self._dying.add(group)

    def _see_off(self) -> None:
        """Wait until what was killed is gone, so that whoever starts the site again has its memory and its files."""
        deadline = time.monotonic() + KILL_SECONDS
        while self._dying and time.monotonic() < deadline:
            self._dying = {group for group in self._dying if not _is_gone(group)}
            time.sleep(0.01)
        if self._dying:
            _say(f"These process groups were killed but are still there: {', '.join(map(str, sorted(self._dying)))}")


def _say(sentence: str) -> None:
    sys.stdout.write(lines.own("serve", sentence, settings.LOG_FORMAT) + "\n")
    sys.stdout.flush()

"""Whether a process still does its work: one that runs and does not answer is ended, and started again.

Only silence counts that a healthy process would not have kept: not the time that it waited for a CPU
(auravideo/core/liveness/starvation.py), and not the time that we did not look, because we were starved or the machine
was frozen.
"""

import http.client
import socket
import threading
import time
from collections.abc import Callable

import redis
from django.conf import settings

from auravideo.core.metrics import presence
from auravideo.server import scheduler
from generation.queue import broker

Question = Callable[[float], bool | None]

ASK_SECONDS, AGAIN_SECONDS = 5.0, 1.0  # from an answer to the next question; from a failure
FIRST_TRY = 1 / 3  # of ANSWER_WITHIN_SECONDS, until the next question, in case one got lost; each waits twice as long
STEP_SECONDS = 2.0  # at most so much silence is counted between two looks
START_SECONDS = 180.0  # for the first answer: a cold disk takes its time


class Answers:
    """The questions to one process. Call `look` regularly; it never waits, since each question has a thread.

    Args:
        ask: asks once and waits for so many seconds at most: True if there was an answer, False if not, None if that
            would say nothing about the process.
    """

    def __init__(self, ask: Question) -> None:
        self._ask = ask
        self._thread: threading.Thread | None = None
        self.begin()

    def begin(self) -> None:
        """Forget everything: the process has just been started."""
        self.silence = 0.0  # seconds for which it should have answered and did not
        self.has_answered = False  # since it was started
        self._answer: bool | None = False
        self._patience = self._first_try
        self._waited = 0.0
        self._looked = self._next = time.monotonic()

    @property
    def _first_try(self) -> float:
        return settings.ANSWER_WITHIN_SECONDS * FIRST_TRY

    @property
    def is_silent(self) -> bool:
        """Return whether it has left a question without an answer."""
        return self.has_answered and self.silence > self._first_try

    @property
    def is_hung(self) -> bool:
        """Return whether to give it up."""
        within = settings.ANSWER_WITHIN_SECONDS
        return self.silence > (within if self.has_answered else max(within, START_SECONDS))

    def look(self, waited: float) -> None:
        """Count the silence since the last look, and ask again if it is time to.

        Args:
            waited: for how long the process has waited for a CPU, or we have, in seconds that only grow.
        """
        now = time.monotonic()
        elapsed, starved = now - self._looked, max(0.0, waited - self._waited)
        self._looked, self._waited = now, waited
        is_asking = self._thread is not None and self._thread.is_alive()
        if is_asking or self._answer is False:
            self.silence += max(0.0, min(elapsed, STEP_SECONDS) - starved)
        if not is_asking and now >= self._next:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        self._answer = self._ask(self._patience)
        if self._answer is False:
            self._patience *= 2
            self._next = time.monotonic() + AGAIN_SECONDS
        else:
            self.has_answered = self.has_answered or bool(self._answer)
            self._patience = self._first_try
            self.silence, self._next = 0.0, time.monotonic() + ASK_SECONDS


def of_pages(listener: socket.socket) -> Question:
    """Return what asks a web process at an address of its own. Other processes share the site's."""

    def ask(seconds: float) -> bool:
        host, port = listener.getsockname()[:2]
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        try:
            connection.request("GET", "/healthz/live")
            return bool(connection.getresponse().status)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def of_scheduler(_seconds: float) -> bool | None:
    """Return whether somebody schedules; None if Redis, which knows, does not answer.

    A scheduler that hangs and only stands by is not noticed before its turn, which does no harm.
    """
    try:
        return bool(scheduler.holder(broker.connection()))
    except redis.RedisError:
        return None


def of_worker(pid: Callable[[], int | None]) -> Question:
    """Return what asks whether a worker has said that it is alive (auravideo/core/metrics/presence.py).

    The absence of its sign says nothing while Redis is away, after that until the worker has had time to repeat it, and
    while Redis takes no writes.

    Args:
        pid: returns the worker's process ID, which changes with each start; None if it does not run.
    """
    away = time.monotonic()  # when Redis was last away

    def ask(_seconds: float) -> bool | None:
        nonlocal away
        number = pid()
        try:
            if number is not None and presence.is_present(presence.WORKER, number):
                return True
            presence.try_to_write()
        except redis.RedisError:
            away = time.monotonic()
        return None if time.monotonic() - away < presence.EXPIRES_SECONDS else False

    return ask

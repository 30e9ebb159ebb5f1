"""The parent of a worker kills a child that does not advance. A heartbeat shows only that a process is alive.

A child says by when its next sign is due (auravideo/core/liveness/progress.py). A thread looks every second, because
the parent's event loop stands still while the broker is away and while the worker stops. As long as children may be
forked, the thread uses no database; the event loop asks for claims that ended, such as those of cancelled jobs.

Time in which a child was ready to run and got no CPU does not count: on a machine that is busy with something else, a
stage is slow, and saying that it hung would blame the wrong one.
"""

import logging
import os
import signal
import threading
import time
from enum import StrEnum
from typing import Any

from celery import bootsteps
from django.conf import settings
from django.db import Error, connection

from auravideo.celery import app
from auravideo.core.liveness import oom_kills, progress, starvation
from generation.domain.states import RunStatus, Stage
from generation.models import StageRun
from generation.queue import claims, losses

logger = logging.getLogger(__name__)

CHECK_SECONDS = 1.0


class Why(StrEnum):
    """Why a child was killed, by its parent or by the kernel."""

    HUNG = "made no progress"
    ENDED = "went on although its job was cancelled or taken over"
    OUT_OF_MEMORY = "needed more memory than the machine has left"
    STOPPING = "did not hand back its job in time, and the worker is stopping"


_ERRORS: dict[Why | None, str] = {Why.HUNG: losses.HUNG, Why.OUT_OF_MEMORY: losses.MACHINE_OUT_OF_MEMORY}


class Watchdog(bootsteps.StartStopStep):
    """Watches the children of this worker."""

    requires = {"celery.worker.components:Timer", "celery.worker.components:Pool"}

    def __init__(self, worker: Any, **options: Any) -> None:
        self.entry: Any = None
        self.pool: Any = None
        self.ended: dict[int, float] = {}  # claims that are no longer valid, and when their children must have left
        self.killed: dict[int, tuple[float, Why]] = {}  # by process: what was due when, and why
        self.stop_by = float("inf")
        self.starvation = starvation.Watch()
        self.starved: dict[int, tuple[float, float]] = {}  # by process: what is due, how long it had waited before
        self.oom_kills = oom_kills.Watch()
        progress.open_board()
        super().__init__(worker, **options)

    def start(self, worker: Any) -> None:
        global _watchdog
        _watchdog, self.pool = self, worker.pool
        self.entry = worker.timer.call_repeatedly(settings.HEARTBEAT_SECONDS, self.look_for_ended)
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def stop(self, worker: Any) -> None:
        """Leave the thread alone: from now on the worker waits for its children."""
        if self.entry is not None:
            self.entry.cancel()

    def look_for_ended(self) -> None:
        """Note which children work on claims that are no longer valid."""
        held = {sign.claim for sign in progress.signs() if sign.claim}
        try:
            standing = StageRun.objects.filter(pk__in=held, status=RunStatus.RUNNING) if held else ()
            ended = held - {claim.pk for claim in standing}
        except Error as error:
            logger.warning("Could not look for cancelled stages: %s", error)
            return
        finally:
            connection.close()  # children are forked from this process and must not share its connection
        by = time.monotonic() + settings.CANCEL_WITHIN_SECONDS
        self.ended = {claim: self.ended.get(claim, by) for claim in ended}

    def _watch(self) -> None:
        while True:
            time.sleep(CHECK_SECONDS)
            try:
                self.look()
            except Exception:
                logger.exception("The watchdog stumbled")

    def look(self) -> None:
        """Kill the children whose time is up."""
        self.oom_kills.look()
        ours = set(self.pool.info["processes"])
        self.starvation.look(ours)
        self.starved = {pid: known for pid, known in self.starved.items() if pid in ours}
        for sign in progress.signs():
            why = self._verdict(sign, time.monotonic())
            if why is not None and sign.pid in ours and self.killed.get(sign.pid, (0,))[0] != sign.due:
                self.killed[sign.pid] = sign.due, why
                logger.error("Killing process %s, because it %s", sign.pid, why)
                os.kill(sign.pid, signal.SIGKILL)
                if self.stop_by < float("inf"):
                    _settle(sign, why)

    def _verdict(self, sign: progress.Sign, now: float) -> Why | None:
        if now > sign.due + self._got_no_cpu(sign):
            return Why.HUNG
        if now > self.ended.get(sign.claim, float("inf")):
            return Why.ENDED
        return Why.STOPPING if now > self.stop_by else None

    def _got_no_cpu(self, sign: progress.Sign) -> float:
        """Return for how long the child has waited for a CPU since it gave its sign, in seconds."""
        waited = self.starvation.seconds(sign.pid)
        due, before = self.starved.get(sign.pid, (0.0, 0.0))
        if due != sign.due:
            self.starved[sign.pid] = sign.due, waited
            return 0.0
        return waited - before


_watchdog: Watchdog | None = None


def hurry() -> None:
    """Give the children a little time to hand back their jobs, because the worker is stopping."""
    if _watchdog is not None:
        _watchdog.stop_by = time.monotonic() + settings.STOP_WITHIN_SECONDS


def why_killed(held: StageRun) -> Why | None:
    """Return why the process of a claim was killed; None if it died otherwise, or nobody knows. Forgets it."""
    if _watchdog is None:
        return None
    _name, _colon, pid = held.worker.rpartition(":")
    killed = _watchdog.killed.pop(int(pid), None) if pid.isdigit() else None
    if killed:
        return killed[1]
    return Why.OUT_OF_MEMORY if _watchdog.oom_kills.explains_death() else None


def bury(held: StageRun, why: Why | None) -> None:
    """Give back the stage of a child that is gone. It counts as an attempt unless the worker is stopping."""
    if why is Why.STOPPING:
        claims.release(held)
    else:
        claims.lose(held.job_id, held.run, Stage(held.stage), held.chunk, _ERRORS.get(why, ""))


def _settle(sign: progress.Sign, why: Why) -> None:
    """Call `bury`. A worker that is stopping forks no more and hears no more of its children."""
    try:
        held = StageRun.objects.filter(pk=sign.claim, status=RunStatus.RUNNING).select_related("job").first()
        if held is not None:
            bury(held, why)
    except Error as error:
        logger.warning("Could not give back the stage of process %s: %s", sign.pid, error)
        if why is Why.STOPPING and sign.claim:
            claims.note_handed_back(sign.claim)
    finally:
        connection.close()


app.steps["worker"].add(Watchdog)

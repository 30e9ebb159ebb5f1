"""The stage runner: claims a stage, keeps the claim alive, stops on cancellation, records the outcome.

The stages themselves (workers/stages.py) see none of this: they take a `Context` and return their output.
"""

import logging
import signal
import threading
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar
from uuid import UUID, uuid4

import numpy as np
from celery import current_task
from celery.exceptions import Ignore
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from auravideo import tracing
from auravideo.core import heartbeat
from auravideo.core.logs import ids
from auravideo.core.storage import StorageUnavailable
from generation.domain.errors import Cancelled, RenderError
from generation.domain.plan import Plan
from generation.domain.states import Stage
from generation.models import Job, StageRun
from generation.queue import canvas, claims, events, outcomes, services
from generation.requests.request import InvalidRequest, RenderRequest
from workers import assembly, claiming, frame_store, media, membership

logger = logging.getLogger(__name__)

# The database, storage or network is unavailable; not the job's fault, usually transient.
OUTAGES = (DatabaseError, ConnectionError, TimeoutError, StorageUnavailable)
EVENT_SECONDS = 0.2  # at most 5 events per second and job
PREVIEW_SECONDS = 0.7
NO_PREVIEW_SECONDS = 60  # after one that could not be stored: each attempt may hold up the clip
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1, 30  # between attempts while the storage does not work
CHECK_SECONDS = 1
R = TypeVar("R")

_stopping = threading.Event()


class Stopping(Cancelled):
    """This worker is shutting down; its stage goes back to the queue."""


def stop_soon(*_signal: object) -> None:
    """Ask the stage running in this process to hand back its job at the next step."""
    _stopping.set()


def listen_for_stop() -> None:
    """Call `stop_soon` on SIGUSR2, which the parent sends on shutdown. For a worker's child process.

    SIGUSR1 is taken: billiard uses it to end a task.
    """
    signal.signal(signal.SIGUSR2, stop_soon)


class Context:
    """A stage's view of its job: the plan, the chunk, and progress reporting."""

    def __init__(self, held: StageRun) -> None:
        self.held = held
        self.job: Job = held.job
        self.stage = Stage(held.stage)
        self.chunk: int = held.chunk
        self.request: RenderRequest = self.job.render_request
        self._told = self._shown = 0.0

    @cached_property
    def plan(self) -> Plan:
        return self.job.render_plan

    def on_step(self, done: int, total: int, preview: np.ndarray | None = None) -> None:
        """Report `done` of `total` steps. `preview`: uint8 [F, h, w, 3], a small version of the clip so far.

        Raises:
            Cancelled: the job was cancelled or taken over, or (`Stopping`) this worker is shutting down.
        """
        self.check()
        now = time.monotonic()
        if now - self._told < EVENT_SECONDS and done < total:
            return
        self._told = now
        if preview is not None and now - self._shown >= PREVIEW_SECONDS:
            self._shown = now
            self._try_to_show(preview)
        claims.beat(self.held, done, total)
        events.publish(self.job.user_id, self.job.pk)

    def check(self) -> None:
        """Raise Cancelled if this stage should stop."""
        if _stopping.is_set():
            raise Stopping
        if not claims.is_held(self.held):
            raise Cancelled

    def patiently(self, move: Callable[[], R]) -> R:
        """Return `move()`, which calls a storage. While the storage does not work, wait and call it again.

        Nothing is lost meanwhile: the claim stays alive, the frames stay in memory, the page says what it waits for.

        Raises:
            RenderError: `storage-unavailable`, after `settings.STORAGE_PATIENCE_SECONDS`.
            Cancelled: as in `check`, within a second.
        """
        since, pause, is_waiting = time.monotonic(), FIRST_PAUSE_SECONDS, False
        while True:
            try:
                result = move()
            except StorageUnavailable as error:
                logger.warning("%s waits for the storage. %s", self.held, error)
                if time.monotonic() - since > settings.STORAGE_PATIENCE_SECONDS:
                    raise RenderError("storage-unavailable") from error
                if not is_waiting:
                    services.say_waiting(self.job, True)
                is_waiting = True
                self._wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                if is_waiting:
                    services.say_waiting(self.job, False)
                return result

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, CHECK_SECONDS))
        self.check()

    def _try_to_show(self, preview: np.ndarray) -> None:
        try:
            self._show(preview)
        except Exception as error:  # a failed preview must not fail the job
            self._shown = time.monotonic() + NO_PREVIEW_SECONDS
            logger.warning("Could not store a preview of %s: %s", self.held, error)

    def _show(self, preview: np.ndarray) -> None:
        frame_store.write_preview(self.job.pk, media.animated_preview(preview))
        Job.objects.filter(pk=self.job.pk).update(previewed_at=int(time.time()))


class Heartbeat:
    """A thread that keeps a claim alive while a model loads or during a long step."""

    def __init__(self, held: StageRun) -> None:
        self.held = held
        self._end = threading.Event()
        self._thread = threading.Thread(target=ids.in_this_context(self._beat), name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()
        heartbeat.end_stage()

    def _beat(self) -> None:
        try:
            heartbeat.beat_stage()
            while not self._end.wait(settings.HEARTBEAT_SECONDS):
                heartbeat.beat_stage()
                try:
                    claims.beat(self.held)
                except Exception as error:  # the next beat may succeed
                    logger.warning("Missed a heartbeat of %s: %s", self.held, error)
                    close_old_connections()
        finally:
            connection.close()


def run(stage: Stage, job_id: str, run_number: int, chunk: int, work: Callable[[Context], dict]) -> None:
    """Run one stage once. Returning lets the canvas continue; `Ignore` ends this branch.

    Raises:
        Ignore: there was nothing to do, or the stage did not finish; the database records why.
        Retry: another worker should run it; its message was sent again, which uses up no attempt.
    """
    facts = {"job": job_id, "run": run_number, "stage": stage, "chunk": chunk}
    tracing.describe(**facts)
    with ids.about(**facts):
        _run(stage, job_id, run_number, chunk, work)


def _run(stage: Stage, job_id: str, run_number: int, chunk: int, work: Callable[[Context], dict]) -> None:
    held = claiming.claim(stage, UUID(job_id), run_number, chunk)
    if held is None:
        raise Ignore
    with ids.about(job=held.job_id, run=held.run):  # not always the job of the message, see claiming.py
        try:
            _run_held(Context(held), work)
        finally:
            membership.report()
        if stage in canvas.ALONE:
            services.send_next(held.job, held.run)
            if current_task and current_task.request.chain:  # from the version before; what it holds was just sent
                raise Ignore


def _run_held(context: Context, work: Callable[[Context], dict]) -> None:
    held = context.held
    started = time.monotonic()
    try:
        with Heartbeat(held):
            if _stopping.is_set():
                raise Stopping
            output = work(context)
        finished = claims.finish(held, output)
    except Stopping:
        logger.info("Handing back %s", held)
        claims.release(held)
        raise Ignore from None
    except Cancelled:
        _leave(context)
        raise Ignore from None
    except RenderError as error:
        logger.warning("%s failed: %s", held, error)
        claims.fail(held, error.id, error.context, traceback.format_exc())
        raise Ignore from None
    except InvalidRequest as error:
        claims.fail(held, "request-invalid", {"details": str(error)}, traceback.format_exc())
        raise Ignore from None
    except OUTAGES:
        # The heartbeat has stopped, so the sweeper retries the stage once it counts as lost.
        logger.exception("%s was interrupted by an outage", held)
        outcomes.count(context.stage, outcomes.INTERRUPTED)
        raise Ignore from None
    except Exception:
        reference = uuid4().hex[:8]
        logger.exception("%s failed, reference %s", held, reference)
        claims.fail(held, "internal", {"reference": reference}, traceback.format_exc())
        raise Ignore from None
    if not finished:
        _leave(context)
        raise Ignore
    logger.info("Finished in %.1f s", time.monotonic() - started)


def _leave(context: Context) -> None:
    """Clean up after a cancelled job again, since this stage may have written after the first clean-up."""
    logger.info("%s was cancelled or taken over", context.held)
    outcomes.count(context.stage, outcomes.CANCELLED)
    if not Job.objects.filter(pk=context.job.pk).exclude(status="cancelled").exists():
        try:
            frame_store.delete_job(context.job.pk)
            assembly.discard(context.job)
        except StorageUnavailable as error:
            logger.warning("Could not delete the files of %s; `prune` will. %s", context.held, error)

"""Run one stage of one job: claim it, keep its claim alive, stop when it was cancelled, report how it ended.

The stages themselves (workers/stages.py) see none of this: they get a `Context` and return what they wrote.
"""

import logging
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from uuid import UUID, uuid4

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from celery.exceptions import Ignore
from django.conf import settings
from django.db import DatabaseError, close_old_connections, connection

from generation.domain.errors import Cancelled, RenderError
from generation.domain.plan import Plan
from generation.domain.states import Stage
from generation.models import Job, StageRun
from generation.queue import claims, events
from generation.requests.request import InvalidRequest, RenderRequest
from workers import assembly, frame_store, media

log = logging.getLogger(__name__)

# The database, the storage or the network is away: not this job's fault, and it may pass.
OUTAGES = (DatabaseError, ConnectionError, TimeoutError, BotoCoreError, ClientError)
EVENT_SECONDS = 0.2  # at most 5 events a second a job
PREVIEW_SECONDS = 0.7

_stopping = threading.Event()


class Stopping(Cancelled):
    """This worker was asked to stop: what it holds goes back to the queue."""


def stop_soon(*_signal: object) -> None:
    """Ask the stage that runs in this process to hand its job back at its next step."""
    _stopping.set()


def listen_for_stop() -> None:
    """In a worker's child process: `stop_soon` on SIGUSR2, which the parent sends when it is shutting down.

    SIGUSR1 is taken: billiard ends a task by it.
    """
    signal.signal(signal.SIGUSR2, stop_soon)


class Context:
    """What a stage may know and tell: its job, its plan, its chunk, and how far it has come."""

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
        """Report `done` of `total` steps. `preview`: uint8 [F, h, w, 3], a small picture of the clip so far.

        Raises:
            Cancelled: the job was cancelled or taken over; `Stopping`: this worker is to stop.
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
        """Raise Cancelled when this stage should not go on."""
        if _stopping.is_set():
            raise Stopping
        if not claims.is_held(self.held):
            raise Cancelled

    def _try_to_show(self, preview: np.ndarray) -> None:
        try:
            self._show(preview)
        except Exception as error:  # a preview is not worth a job
            log.warning("A preview of %s could not be stored: %s", self.held, error)

    def _show(self, preview: np.ndarray) -> None:
        frame_store.write_preview(self.job.pk, media.animated_preview(preview))
        Job.objects.filter(pk=self.job.pk).update(preview=int(time.time()))


class Heartbeat:
    """A thread that keeps a claim alive while a model loads or a single step takes long."""

    def __init__(self, held: StageRun) -> None:
        self.held = held
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_error: object) -> None:
        self._end.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            while not self._end.wait(settings.HEARTBEAT_SECONDS):
                try:
                    claims.beat(self.held)
                except Exception as error:  # the next beat may come through
                    log.warning("A heartbeat of %s was missed: %s", self.held, error)
                    close_old_connections()
        finally:
            connection.close()


def run(stage: Stage, job_id: str, run_number: int, chunk: int, work: Callable[[Context], dict]) -> None:
    """Do one stage, once. Returning lets the canvas go on; `Ignore` ends this branch of it.

    Raises:
        Ignore: nothing to do, or the stage did not finish; the database says why.
    """
    held = claims.claim(UUID(job_id), run_number, stage, chunk, f"{socket.gethostname()}:{os.getpid()}")
    if held is None:
        raise Ignore
    context = Context(held)
    try:
        with Heartbeat(held):
            context.check()
            output = work(context)
        finished = claims.finish(held, output)
    except Stopping:
        log.info("Handing back %s", held)
        claims.release(held)
        raise Ignore from None
    except Cancelled:
        _leave(context)
        raise Ignore from None
    except RenderError as error:
        log.warning("%s failed: %s", held, error)
        claims.fail(held, error.id, error.context, traceback.format_exc())
        raise Ignore from None
    except InvalidRequest as error:
        claims.fail(held, "request-invalid", {"details": str(error)}, traceback.format_exc())
        raise Ignore from None
    except OUTAGES:
        # The heartbeat has ended, so the sweeper gives the stage another attempt in a minute.
        log.exception("%s was interrupted by an outage", held)
        raise Ignore from None
    except Exception:
        reference = uuid4().hex[:8]
        log.exception("%s failed, reference %s", held, reference)
        claims.fail(held, "internal", {"reference": reference}, traceback.format_exc())
        raise Ignore from None
    if not finished:
        _leave(context)
        raise Ignore


def _leave(context: Context) -> None:
    """Delete what a cancelled job left, since this stage may have written after the clean-up."""
    log.info("%s was cancelled or taken over", context.held)
    if not Job.objects.filter(pk=context.job.pk).exclude(status="cancelled").exists():
        frame_store.delete_job(context.job.pk)
        assembly.discard(context.job)

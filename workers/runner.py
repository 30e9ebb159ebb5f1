"""The stage runner: claims a stage, keeps the claim alive, stops on cancellation, records the outcome.

The stages themselves (workers/stages.py) see none of this: they take a `Context` and return their output.
"""

import logging
import signal
import threading
import time
import traceback
from collections.abc import Callable
from functools import cached_property, partial
from typing import TypeVar
from uuid import UUID, uuid4

from celery import current_task
from celery.exceptions import Ignore
from django.conf import settings
from django.db import close_old_connections

from auravideo import tracing
from auravideo.core.liveness import progress
from auravideo.core.logs import ids
from auravideo.core.storage import StorageUnavailable, require_room
from generation.domain.errors import WAITING, Cancelled, Paused, RenderError
from generation.domain.plan import Plan
from generation.domain.states import Stage
from generation.models import Job, StageRun
from generation.queue import canvas, claims, events, services
from generation.queue.claims import Order
from generation.queue.monitoring import outcomes
from generation.queue.pausing import services as pausing
from generation.requests.request import InvalidRequest, RenderRequest
from workers import assembly, cards, claiming, frame_store, membership, outages, pace
from workers.claim_heartbeat import Heartbeat
from workers.device import failures, sharing
from workers.encoding import ahead
from workers.encoding.live import LivePreview
from workers.engines import registry
from workers.engines.base import Preview
from workers.engines.device_errors import lasting_fault
from workers.pace import Pace

logger = logging.getLogger(__name__)

NEW_WORK = (Stage.PREPROCESS, Stage.GENERATE)  # waits for room on the disk; later stages make some by finishing
EVENT_SECONDS = 0.2  # at most 5 events per second and job
R = TypeVar("R")

_stopping = threading.Event()
_backoff = outages.Backoff()


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
        self.live = LivePreview(self.job.pk, self._tell_of_preview)
        self._told = 0.0
        self._has_begun = False
        self.pace = Pace(held)

    @cached_property
    def plan(self) -> Plan:
        return self.job.render_plan

    def on_step(self, done: int, total: int, preview: Preview | None = None) -> None:
        """Report `done` of `total` steps. `preview` is called only if the page is about to show it.

        Raises:
            Cancelled: the job was cancelled or taken over, this worker is shutting down (`Stopping`), or rendering is
                paused (`Paused`).
        """
        self.pace.step(done)
        self.check()
        if not self._has_begun and 0 < done < total and self.stage is Stage.GENERATE:
            self._try(partial(claims.continue_at, self.held, done, total))
        self._has_begun = True
        now = time.monotonic()
        if now - self._told < EVENT_SECONDS and done < total:
            return
        self._told = now
        self._try(partial(claims.beat, self.held, done, total))
        if preview is None or not self.live.offer(preview):  # which tells once it can be seen
            events.publish(self.job.user_id, self.job.pk)

    def warn(self, warnings: list[dict[str, object]]) -> None:
        """Show warnings about the request on the job's page."""
        services.warn(self.job, warnings)

    def check(self) -> None:
        """Raise Cancelled if this stage should stop. If the database is away, the work goes on."""
        if _stopping.is_set():
            raise Stopping
        order = self._try(partial(claims.order, self.held))
        if order is Order.STOP:
            raise Cancelled
        if order is Order.PAUSE:
            raise Paused

    def _try(self, move: Callable[[], R]) -> R | None:
        """Return `move()`, or None if the database is away."""
        try:
            return move()
        except outages.DATABASE_AWAY as error:
            logger.warning("%s goes on without the database: %s", self.held, str(error).strip())
            close_old_connections()
            return None

    def patiently(self, move: Callable[[], R]) -> R:
        """Return `move()`, which calls a storage. While the storage does not work, wait and call it again.

        Nothing is lost meanwhile: the claim stays alive, the frames stay in memory, the page says what it waits for.

        Raises:
            RenderError: `storage-unavailable`, after `settings.STORAGE_PATIENCE_SECONDS`.
            Cancelled: as in `check`, within a second.
        """
        since, pause, is_waiting = time.monotonic(), outages.FIRST_PAUSE_SECONDS, False
        while True:
            self.pace.move()
            try:
                result = move()
            except StorageUnavailable as error:
                logger.warning("%s waits for the storage. %s", self.held, error)
                if time.monotonic() - since > settings.STORAGE_PATIENCE_SECONDS:
                    raise RenderError("storage-unavailable") from error
                # Each time: the database may have been away too, and another chunk may have ended its own wait.
                self._try(partial(services.say_waiting, self.job, error.reason))
                is_waiting = True
                self._wait(pause)
                pause = min(2 * pause, outages.LONGEST_PAUSE_SECONDS)
            else:
                if is_waiting:
                    self._try(partial(services.say_waiting, self.job))
                return result

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            self.pace.move()
            time.sleep(min(left, outages.CHECK_SECONDS))
        self.check()

    def _tell_of_preview(self) -> None:
        Job.objects.filter(pk=self.job.pk).update(previewed_at=int(time.time()))
        events.publish(self.job.user_id, self.job.pk)


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
    held = _persist(partial(claiming.claim, stage, UUID(job_id), run_number, chunk))
    if held is None:
        raise Ignore
    with ids.about(job=held.job_id, run=held.run):  # not always the job of the message, see claiming.py
        try:
            _run_held(Context(held), work)
        finally:
            failures.tolerate(sharing.after_stage)
            membership.report()
        if stage in canvas.ALONE:
            _persist(partial(services.send_next, held.job, held.run))
            if current_task and current_task.request.chain:  # from the version before; what it holds was just sent
                raise Ignore


def _run_held(context: Context, work: Callable[[Context], dict]) -> None:
    held = context.held
    started = time.monotonic()
    try:
        with Heartbeat(held):
            if _stopping.is_set():
                raise Stopping
            _make_sure_of_room(context)
            with context.live:  # a preview stored after the stage is done might outlive its job
                output = work(context)
            finished = _persist(partial(claims.finish, held, output))
    except Exception as error:
        _let_go()
        try:
            _persist(partial(_end, context, error, traceback.format_exc()))
        except outages.DATABASE_AWAY:  # which come through only if the worker is stopping
            claims.note_handed_back(held.pk)
        if outages.reason_of(error) is not None or outages.memory_reason_of(error) is not None:
            _backoff.pause(_stopping)
        failures.pause(_stopping)
        forget_frames(error)
        raise Ignore from None
    _let_go()
    if not finished:
        _persist(partial(_leave, context))
        raise Ignore
    _backoff.reset()
    failures.worked()
    ahead.ask(held)
    logger.info("Finished in %.1f s", time.monotonic() - started)


def forget_frames(error: BaseException) -> None:
    """Drop the calls that an error ended, with what they hold: released models would stay on the card otherwise.

    Clearing the frames is not enough, since diffusers calls `locals()`, and what that returned stays with its frame.
    """
    found: BaseException | None = error
    while found is not None and found.__traceback__ is not None:
        found.__traceback__ = None
        found = found.__cause__ or found.__context__


def _let_go() -> None:
    """Tell the parent that the stage has ended, so that what is left to do does not look like a forgotten claim."""
    progress.hold(0)
    progress.expect(pace.floor())


def _persist(move: Callable[[], R]) -> R:
    return outages.persist(move, _stopping)


def _make_sure_of_room(context: Context) -> None:
    """Wait until there is room for the clip, and take back what its page says of an outage that is over."""
    if context.stage in NEW_WORK:
        context.patiently(require_room)
        context.pace.begin()
    if WAITING & {warning["id"] for warning in context.job.warnings}:
        services.say_waiting(context.job)


def _end(context: Context, error: Exception, text: str) -> None:
    """Record why a stage did not finish. May be called again if the database is away."""
    held = context.held
    reason = outages.reason_of(error)
    if isinstance(error, Stopping):
        logger.info("Handing back %s", held)
        claims.release(held)
    elif isinstance(error, Paused):
        logger.info("Putting back %s, as rendering is paused", held)
        if not pausing.put_back(held):
            _leave(context)
    elif isinstance(error, Cancelled):
        _leave(context)
    elif failures.is_lost(error):
        failures.lose(held, error)
    elif (lasting := lasting_fault(error, cards.device().name)) is not None:
        claims.fail(held, lasting.id, lasting.context, text)
    elif (shortage := outages.memory_reason_of(error)) is not None:
        _lose_for_want_of_memory(held, shortage, error)
    elif isinstance(error, RenderError):
        if error.id in services.FRAMES_ARE_GONE and claims.regenerate(held, error.context["key"], str(error)):
            logger.warning("%s sent the job back to render its input again: %s", held, error.context["key"])
            return
        logger.warning("%s failed: %s", held, error)
        claims.fail(held, error.id, error.context, text)
    elif isinstance(error, InvalidRequest):
        claims.fail(held, "request-invalid", {"details": str(error)}, text)
    elif reason is not None:
        _interrupt(context, reason, error)
    else:
        reference = uuid4().hex[:8]
        logger.error("%s failed, reference %s", held, reference, exc_info=error)
        claims.fail(held, "internal", {"reference": reference}, text)


def _lose_for_want_of_memory(held: StageRun, shortage: str, error: Exception) -> None:
    """Use up an attempt, and make room for the next, by whoever makes it."""
    logger.warning("%s ran out of memory", held, exc_info=error)
    failures.tolerate(partial(registry.release_all, "memory ran out"))
    claims.lose(held.job_id, held.run, Stage(held.stage), held.chunk, shortage)


def _interrupt(context: Context, reason: str, error: Exception) -> None:
    """Give back a stage that an outage interrupted; this uses up no attempt."""
    logger.warning("%s was interrupted by an outage: %s", context.held, str(error).strip())
    if reason and claims.is_held(context.held):
        services.say_waiting(context.job, reason)
    if not claims.release(context.held, outcomes.INTERRUPTED, str(error)):
        claims.absolve(context.held)


def _leave(context: Context) -> None:
    """Clean up after a cancelled job again, since this stage may have written after the first clean-up."""
    logger.info("%s was cancelled or taken over", context.held)
    outcomes.count(context.stage, outcomes.CANCELLED)
    claims.absolve(context.held)
    if not Job.objects.filter(pk=context.job.pk).exclude(status="cancelled").exists():
        try:
            frame_store.delete_job(context.job.pk)
            assembly.discard(context.job)
        except StorageUnavailable as error:
            logger.warning("Could not delete the files of %s; `prune` will. %s", context.held, error)

"""Loading a model, shown as a step of its own: it takes up to a minute, in which the stage itself does not advance.

The models of later stages are loaded ahead, while the first ones work (generation/queue/loading/ahead.py).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from uuid import UUID

from django.db import Error, close_old_connections
from redis import RedisError

from generation.domain.stages import STAGES
from generation.domain.states import ACTIVE, Stage
from generation.models import Job, StageRun
from generation.queue import claims, events, placement, roster
from generation.queue.loading import ahead, times
from generation.queue.loading.ahead import State
from generation.queue.pausing import state
from workers import cards, engine_factory, membership
from workers.device import failures
from workers.engines import registry

logger = logging.getLogger(__name__)

TELL_SECONDS = 1.0  # how often the page is told that time has passed


@contextmanager
def shown(held: StageRun) -> Iterator[None]:
    """Show on the job's page that the block loads the model of a stage, unless this process holds it already."""
    engine = placement.engine_of(Stage(held.stage), held.job.render_request)
    if engine in membership.warm_engines():
        yield
        return
    started = time.monotonic()
    _try(lambda: claims.begin_loading(held))
    with _told_regularly(held.job):
        yield
    seconds = time.monotonic() - started
    membership.report()  # now rather than after the stage, so that no estimate counts the loading again
    _try(lambda: claims.end_loading(held, seconds))
    _try(lambda: times.record(engine, seconds, membership.boot()))


def ahead_of(stage: Stage, job_id: UUID) -> None:
    """Load the model that a stage of a job will need, if that hinders nobody. If it fails, the stage will say why."""
    job = Job.objects.filter(pk=job_id, status__in=ACTIVE).first()
    engine = placement.engine_of(stage, job.render_request) if job is not None else ""
    if job is None or not engine:
        return
    if reason := _why_not(stage, job, engine):
        logger.info("Not loading %s ahead: %s", engine, reason)
        _try(lambda: ahead.forget(stage, engine))
        return
    _try(lambda: ahead.note(stage, engine, State.LOADING))
    _try(lambda: ahead.note(stage, engine, _load(stage, job, engine)))
    events.publish(job.user_id, job.pk)


def _load(stage: Stage, job: Job, engine: str) -> State:
    started = time.monotonic()
    try:
        with _told_regularly(job):
            engine_factory.of_stage(stage, job.render_request)
    except Exception as error:
        failures.is_lost(error)
        logger.warning("Could not load %s ahead: %s", engine, error)
        return State.FAILED
    membership.report()
    _try(lambda: times.record(engine, time.monotonic() - started, membership.boot()))
    return State.READY


def begin() -> None:
    """Forget what a process of this worker, which is gone, loaded ahead. For its child, which holds nothing yet."""
    for stage, spec in STAGES.items():
        if spec.first_load and membership.me is not None and spec.queue in membership.me.serves:
            _try(partial(ahead.forget, stage))


def _why_not(stage: Stage, job: Job, engine: str) -> str:
    """Return why loading an engine now would be of no use, or take what others need; "" if it would not."""
    request, need = job.render_request, placement.needed(stage, job.render_request)
    note = ahead.look(stage, engine)
    if engine in membership.warm_engines():
        return "this worker holds it"
    if note is None or note.state is not State.ASKED:
        return "the clip has gone on without it"
    if state.is_on():
        return "rendering is paused"
    if membership.me is not None and membership.me.drains.value:
        return "this worker is drained"
    if not registry.has_room(need):
        return "others would have to be released"
    # Whatever the plan still has to load on this machine may be on the same card, and the earlier stages come first.
    there, boot = roster.capacity(), membership.boot()
    cold = [of for of in job.render_plan.stages if placement.is_cold(of, request) and of is not stage]
    here = [of for of in cold if boot in there[STAGES[of].queue].boots]
    if need + sum(placement.needed(of, request) for of in here) > cards.device().free:
        return "there is too little memory for all models of the clip"
    return ""


@contextmanager
def _told_regularly(job: Job) -> Iterator[None]:
    end = threading.Event()

    def tell() -> None:
        while not end.wait(TELL_SECONDS):
            events.publish(job.user_id, job.pk)

    thread = threading.Thread(target=tell, name="loading", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _try(note: Callable[[], object]) -> None:
    """Call `note`, which is only for the page: without the database or Redis, loading goes on."""
    try:
        note()
    except RedisError as error:
        logger.warning("Could not show that a model is loaded: %s", error)
    except Error as error:
        logger.warning("Could not show that a model is loaded: %s", error)
        close_old_connections()

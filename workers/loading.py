"""Loading a model, shown as a step of its own: it takes up to a minute, in which the stage itself does not advance.

Models are also loaded ahead of use (generation/queue/loading/ahead.py).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from uuid import UUID

from django.db import Error, close_old_connections
from redis import RedisError

from generation.domain.plan import Plan
from generation.domain.stages import STAGES
from generation.domain.states import ACTIVE, Stage
from generation.models import Job, StageRun
from generation.queue import claims, events, placement, roster
from generation.queue.loading import ahead, times
from generation.queue.loading.ahead import State
from generation.queue.pausing import state
from generation.requests import available
from generation.requests.request import InvalidRequest, RenderRequest
from workers import cards, engine_factory, membership
from workers.device import failures, sharing
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
    """Load the model that a stage of a job will need, if that hinders nobody."""
    job = Job.objects.filter(pk=job_id, status__in=ACTIVE).first()
    engine = ""
    with suppress(InvalidRequest):  # the stage says so
        engine = placement.engine_of(stage, job.render_request) if job is not None else ""
    if job is None or not engine:
        return
    if reason := _why_not(stage, job.render_request, engine) or _no_room(stage, job.render_request, job.render_plan):
        _leave_it(stage, engine, reason)
        return
    with _told_regularly(job):
        _load(stage, job.render_request, engine)
    events.publish(job.user_id, job.pk)


def ahead_of_form(stage: Stage, request: RenderRequest) -> None:
    """Load the model that a stage of a clip would need which somebody is describing, if this worker holds none."""
    engine = placement.engine_of(stage, request)
    if not engine:
        return
    try:
        plan = available.plan_for(request)
    except InvalidRequest as error:  # the catalogue has changed since, or is another one here
        _leave_it(stage, engine, str(error))
        return
    reason = "this worker holds another" if membership.warm_engines() else _why_not(stage, request, engine)
    if reason := reason or _no_room(stage, request, plan):
        _leave_it(stage, engine, reason)
        return
    _load(stage, request, engine)


def _leave_it(stage: Stage, engine: str, reason: str) -> None:
    logger.info("Not loading %s ahead: %s", engine, reason)
    _try(lambda: ahead.forget(stage, engine))


def _load(stage: Stage, request: RenderRequest, engine: str) -> None:
    """Load an engine, and note how far that is. If it fails, the stage will say why."""
    _try(lambda: ahead.note(stage, engine, State.LOADING))
    started = time.monotonic()
    try:
        engine_factory.of_stage(stage, request)
    except Exception as error:
        failures.is_lost(error)
        logger.warning("Could not load %s ahead: %s", engine, error)
        _try(lambda: ahead.note(stage, engine, State.FAILED))
        return
    membership.report()
    _try(lambda: times.record(engine, time.monotonic() - started, membership.boot()))
    _try(lambda: ahead.note(stage, engine, State.READY))


def begin() -> None:
    """Forget what a process of this worker, which is gone, loaded ahead. For its child, which holds nothing yet."""
    for stage, spec in STAGES.items():
        if spec.first_load and membership.me is not None and spec.queue in membership.me.serves:
            _try(partial(ahead.forget, stage))


def _why_not(stage: Stage, request: RenderRequest, engine: str) -> str:
    """Return why this worker should not load an engine now; "" if nothing speaks against it."""
    note = ahead.look(stage, engine)
    if engine in membership.warm_engines():
        return "this worker holds it"
    if note is None or note.state is not State.ASKED:
        return "the clip has gone on without it"
    if state.is_on():
        return "rendering is paused"
    if membership.me is not None and membership.me.drains.value:
        return "this worker is drained"
    return ""


def _no_room(stage: Stage, request: RenderRequest, plan: Plan) -> str:
    """Return why there is no memory to load the engine of a stage ahead; "" if there is."""
    is_card = cards.is_card()
    need = placement.at_full_speed(stage, request, plan).on(is_card=is_card)
    if not registry.has_room(need):
        return "others would have to be released"
    if membership.me is not None and sharing.hands_card_on(membership.me.serves):
        return "this process would soon leave the card to others"
    if is_card and stage is Stage.GENERATE:
        return ""  # its weights wait in main memory for the clip, which then finds out what fits
    # Whatever the plan still has to load on this machine may be on the same card, and the earlier stages come first.
    there, boot = roster.capacity(), membership.boot()
    cold = [of for of in plan.stages if placement.is_cold(of, request) and of is not stage]
    here = [of for of in cold if boot in there[STAGES[of].queue].boots]
    if need + sum(placement.at_full_speed(of, request, plan).on(is_card=is_card) for of in here) > cards.device().free:
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

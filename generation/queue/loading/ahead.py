"""Loading models ahead of use, in workers that have nothing to do.

Whoever sends a clip to its first stages asks for the models of its later ones, and the create page for all, where the
workers hold none yet: they load while somebody types. The request has the lowest priority and soon becomes void, so
that it delays nothing that waits. How far it is is a note in Redis, without which a stage loads its own model.
"""

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.db import Error
from redis import RedisError

from auravideo.celery import EXPIRES_SECONDS, PRIORITIES, app
from auravideo.core import publish
from generation.domain.plan import Plan
from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.models import Job
from generation.queue import broker, placement, roster
from generation.queue.pausing import state as pausing
from generation.requests.request import InvalidRequest, RenderRequest

logger = logging.getLogger(__name__)

TASK = "workers.tasks.load_ahead"
TASK_FOR_FORM = "workers.tasks.load_for_form"


class State(StrEnum):
    """How far it is."""

    ASKED = "asked"
    LOADING = "loading"
    READY = "ready"
    FAILED = "failed"  # the stage tries again itself, and says why


# How long each state is remembered. A worker that does not begin within the first was not idle after all; the last two
# cover the time until everybody has read the roster again.
_SECONDS = {State.ASKED: 30, State.LOADING: 1800, State.READY: 60, State.FAILED: 60}


@dataclass(frozen=True)
class Note:
    """How far the loading of an engine is, and the seconds since it was noted, by the clock of Redis."""

    state: State
    elapsed: float

    @property
    def is_going_on(self) -> bool:
        return self.state in (State.ASKED, State.LOADING)


def later_stages(plan: Plan) -> tuple[Stage, ...]:
    """Return the stages with a model that others come before which have one, too."""
    return tuple(stage for stage in plan.stages if STAGES[stage].first_load)[1:]


def ask(jobs: Iterable[tuple[Job, Plan]]) -> None:
    """Ask for the later models of some jobs that no worker holds, where one is idle. Never raises: it only helps."""
    wanted: dict[tuple[Stage, str], Job] = {}
    for job, plan in jobs:
        with suppress(InvalidRequest):  # whoever runs the job says so
            request = job.render_request
            for stage in later_stages(plan):
                if placement.is_cold(stage, request):
                    wanted.setdefault((stage, placement.engine_of(stage, request)), job)
    for (stage, _engine), job in wanted.items():
        _ask(stage, job.render_request, TASK, str(job.pk))


def ask_for_form(request: RenderRequest, plan: Plan) -> None:
    """Ask for all models of a clip that somebody is about to describe, where workers hold no model at all.

    One that holds another model is left alone: the next clip may be for that one. Never raises: it only helps.
    """
    capacity = roster.capacity()
    there = {stage: capacity.get(STAGES[stage].queue) for stage in plan.stages}
    cold = [
        stage for stage, workers in there.items() if workers and not workers.warm and placement.is_cold(stage, request)
    ]
    # Asked first: a Redis that does not answer would hold up the page for seconds, once for each stage.
    if not cold or pausing.is_on() or broker.is_away():
        return
    for stage in cold:
        _ask(stage, request, TASK_FOR_FORM, request.to_dict())


def _ask(stage: Stage, request: RenderRequest, task: str, about: str | Mapping[str, Any]) -> None:
    engine = placement.engine_of(stage, request)
    try:
        if engine and _is_somebody_idle(stage, request) and note(stage, engine, State.ASKED, first=True):
            queue, priority = placement.queue_of(stage, request), broker.wire_priority(PRIORITIES - 1)
            app.send_task(task, args=(str(stage), about), queue=queue, priority=priority, expires=EXPIRES_SECONDS)
    except (*publish.BROKER_ERRORS, Error) as error:
        logger.info("Nobody was asked to load a model ahead: %s", error)


def _is_somebody_idle(stage: Stage, request: RenderRequest) -> bool:
    return roster.has_idle(STAGES[stage].queue, placement.needed(stage, request))


def note(stage: Stage, engine: str, state: State, *, first: bool = False) -> bool:
    """Note how far it is. Return False, having changed nothing, if it had to be the first note and is not.

    Raises RedisError if Redis is unavailable.
    """
    return bool(broker.connection().set(_key(stage, engine), state, ex=_SECONDS[state], nx=first))


def forget(stage: Stage, engine: str = "*") -> None:
    """Note that nobody loads an engine of a stage; by default, none of them. Raises RedisError."""
    found = list(broker.connection().scan_iter(_key(stage, engine))) if engine == "*" else [_key(stage, engine)]
    if found:
        broker.connection().delete(*found)


def look(stage: Stage, engine: str) -> Note | None:
    """Return how far it is; None if nobody was asked, or Redis is unavailable."""
    pipe = broker.connection().pipeline(transaction=False)
    pipe.get(_key(stage, engine))
    pipe.pttl(_key(stage, engine))
    try:
        value, left = pipe.execute()
    except RedisError:
        return None
    if value is None:
        return None
    state = State(value.decode())
    return Note(state, max(0.0, _SECONDS[state] - left / 1000))


def _key(stage: Stage, engine: str) -> str:
    return f"auravideo:ahead:{stage}:{engine}"

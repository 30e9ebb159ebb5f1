"""Estimates: the cost of a stage, and its duration on this machine, learned from past runs."""

import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from django.core.cache import cache
from redis import RedisError

from generation.catalogue import card_memory
from generation.domain.plan import Plan
from generation.domain.stages import STAGES
from generation.domain.states import RunStatus, Stage
from generation.models import StageRun
from generation.requests import available
from generation.requests.request import RenderRequest

HISTORY = 20  # most recent runs of a stage that set its rate
# The quantile of their rates to use. Other load only ever slows a run down, so the faster runs predict best how long a
# clip takes on its own.
_QUICKER = 0.25
# The quantile of the latest of them to use for how long a queue takes, which has to share the machine with itself.
_USUAL, _LATEST = 0.6, 10
_FRESH_SECONDS = 10  # how long a process caches a rate
_NOTED_SECONDS = 24 * 3600
_LEARN_SECONDS = 1  # how often a process learns a rate at most: stages that take less differ by chance only
_KEY = "measured-twice:{}:{}"


@dataclass(frozen=True)
class Measured:
    """What a stage took with a model here: seconds per unit of cost, without the loading of the model.

    `rate` is that of a clip that has the machine to itself, `usual` that of one among others.
    """

    rate: float
    usual: float


def cost(stage: Stage, chunk: int, plan: Plan, request: RenderRequest) -> float:
    """Return the cost of one stage of one chunk: pixels its model computes, times passes, and what attention adds."""
    linear = STAGES[stage].cost(plan, chunk, request)
    model = available.catalogue().models.get(request.model) if stage is Stage.GENERATE else None
    if model is None:
        return linear
    return linear * card_memory.togetherness(model.family, plan.base_width * plan.base_height * plan.base_frames)


def seconds(stage: Stage, chunk: int, plan: Plan, request: RenderRequest) -> float:
    """Return how long one stage of one chunk will take on this machine, in seconds."""
    return cost(stage, chunk, plan, request) * _now(stage, request.model).rate


def usual(stage: Stage, model: str) -> float:
    """Return the seconds per unit of cost that a stage usually takes on this machine, while others render, too."""
    return _now(stage, model).usual


def _now(stage: Stage, model: str) -> Measured:
    return _rate(stage, model, int(time.monotonic() // _FRESH_SECONDS))


@lru_cache(maxsize=64)
def _rate(stage: Stage, model: str, _tick: int) -> Measured:
    """Return what was cached last, or else what the history says."""
    try:
        noted = cache.get(_KEY.format(stage, model))
    except RedisError:
        noted = None
    return learn(stage, model) if noted is None else noted


def learn_soon(stage: Stage, model: str) -> None:
    """Call `learn`, unless this process did within `_LEARN_SECONDS`. For a worker that has finished a stage."""
    _learned(stage, model, int(time.monotonic() // _LEARN_SECONDS))


@lru_cache(maxsize=64)
def _learned(stage: Stage, model: str, _tick: int) -> Measured:
    return learn(stage, model)


def learn(stage: Stage, model: str) -> Measured:
    """Return what the last runs of this stage and model took; cache it for every process."""
    runs = StageRun.objects.filter(stage=stage, status=RunStatus.DONE, cost__gt=0, job__request__model=model)
    runs = runs.order_by("-ended_at")
    recent = runs.values_list("started_at", "ended_at", "load_seconds", "cost")[:HISTORY]
    rates = [((ended - started).total_seconds() - load) / cost for started, ended, load, cost in recent if ended]
    first = STAGES[stage].first_rate
    quick, usually = _quantile(rates, _QUICKER, first), _quantile(rates[:_LATEST], _USUAL, first)
    found = Measured(max(0.0, quick), max(0.0, usually))
    with suppress(RedisError):  # without a cache, it is computed from the history each time
        cache.set(_KEY.format(stage, model), found, _NOTED_SECONDS)
    return found


def _quantile(values: list[float], share: float, default: float) -> float:
    return sorted(values)[int(len(values) * share)] if values else default


def slowest_seconds(held: StageRun) -> float | None:
    """Return how long a stage like this one took at most lately, scaled to its cost; None if none has finished."""
    alike = StageRun.objects.filter(
        stage=held.stage, status=RunStatus.DONE, cost__gt=0, job__request__model=held.job.request["model"]
    )
    recent = alike.order_by("-ended_at").values_list("started_at", "ended_at", "load_seconds", "cost")[:HISTORY]
    rates = [((ended - started).total_seconds() - load) / cost for started, ended, load, cost in recent if ended]
    return max(rates) * held.cost if rates else None

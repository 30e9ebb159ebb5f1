"""How much work a stage is, and how long that takes on this machine, from its own history."""

import time
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache

from django.core.cache import cache
from redis import RedisError

from generation.domain.plan import Plan
from generation.domain.states import RunStatus, Stage
from generation.models import StageRun
from generation.requests.request import RenderRequest

HISTORY = 20  # runs of a stage that the rate is taken from
# Of those, how large a part ran at least so fast: runs are slowed down by what else the machine does, and by a model's
# first load, and never made faster, so that a clip by itself takes what the quicker ones took.
_QUICKER = 0.25
# What one pass over a frame costs before its first pixel, in pixels: measured on the models that ship, where it counts;
# a large model's frame has a hundred times as many.
_PASS_PIXELS = 2300
_FRESH_SECONDS = 10  # how long a process keeps what it has read
_NOTED_SECONDS = 24 * 3600
_KEY = "rate:{}:{}"
# Seconds per unit of cost before there is any history: two processor cores and the models that ship.
_FIRST_RATES: Mapping[Stage, float] = {
    Stage.PREPROCESS: 0.1,
    Stage.GENERATE: 1e-6,
    Stage.INTERPOLATE: 1e-5,
    Stage.UPSCALE: 2e-6,
    Stage.ASSEMBLE: 2e-7,
}


def cost(stage: Stage, chunk: int, plan: Plan, request: RenderRequest) -> float:
    """The work of one stage of one chunk: pixels that its model has to compute, times passes.

    Linear in pixels: attention's quadratic part matters only near a model's native size, where the history follows it.
    An upscaling network computes as many pixels as it is given; by 8 is by 4 and then, sixteen times as many, by 2.
    """
    base = plan.base_width * plan.base_height
    if stage is Stage.GENERATE:
        return plan.base_frames * (base + _PASS_PIXELS) * request.steps * (2 if request.guidance > 1 else 1)
    if stage is Stage.INTERPOLATE:
        return plan.chunks[chunk].frames * base
    if stage is Stage.UPSCALE:
        return plan.chunks[chunk].frames * base * (17 if plan.upscale == 8 else 1)
    if stage is Stage.ASSEMBLE:
        return plan.frames * plan.width * plan.height
    return 1.0


def seconds(stage: Stage, chunk: int, plan: Plan, request: RenderRequest) -> float:
    """How long one stage of one chunk will take on this machine."""
    return cost(stage, chunk, plan, request) * _rate(stage, request.model, int(time.monotonic() // _FRESH_SECONDS))


@lru_cache(maxsize=64)
def _rate(stage: Stage, model: str, _tick: int) -> float:
    """Seconds per unit of cost: as a worker noted last, or from the history itself."""
    try:
        noted = cache.get(_KEY.format(stage, model))
    except RedisError:
        noted = None
    return learn(stage, model) if noted is None else noted


def learn(stage: Stage, model: str) -> float:
    """Seconds per unit of cost, from the last runs of this stage with this model; noted for every page to read."""
    runs = StageRun.objects.filter(stage=stage, status=RunStatus.DONE, cost__gt=0, job__request__model=model)
    recent = runs.order_by("-ended_at").values_list("started_at", "ended_at", "cost")[:HISTORY]
    rates = sorted((ended - started).total_seconds() / cost for started, ended, cost in recent if ended)
    rate = rates[int(len(rates) * _QUICKER)] if rates else _FIRST_RATES[stage]
    with suppress(RedisError):  # it is read from the history again
        cache.set(_KEY.format(stage, model), rate, _NOTED_SECONDS)
    return rate

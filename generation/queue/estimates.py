"""How much work a stage is, and how long that takes on this machine, from its own history."""

import time
from contextlib import suppress
from functools import lru_cache

from django.core.cache import cache
from redis import RedisError

from generation.domain.plan import Plan
from generation.domain.stages import STAGES
from generation.domain.states import RunStatus, Stage
from generation.models import StageRun
from generation.requests.request import RenderRequest

HISTORY = 20  # runs of a stage that the rate is taken from
# Of those, how large a part ran at least so fast: runs are slowed down by what else the machine does, and by a model's
# first load, and never made faster, so that a clip by itself takes what the quicker ones took.
_QUICKER = 0.25
_FRESH_SECONDS = 10  # how long a process keeps what it has read
_NOTED_SECONDS = 24 * 3600
_KEY = "rate:{}:{}"


def cost(stage: Stage, chunk: int, plan: Plan, request: RenderRequest) -> float:
    """The work of one stage of one chunk: pixels that its model has to compute, times passes.

    Linear in pixels: attention's quadratic part matters only near a model's native size, where the history follows it.
    """
    return STAGES[stage].cost(plan, chunk, request)


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
    rate = rates[int(len(rates) * _QUICKER)] if rates else STAGES[stage].first_rate
    with suppress(RedisError):  # it is read from the history again
        cache.set(_KEY.format(stage, model), rate, _NOTED_SECONDS)
    return rate

"""How much work a stage is, and how long that takes on this machine, from its own history."""

import time
from collections.abc import Mapping
from functools import lru_cache

from generation.models import StageRun
from generation.params import RenderRequest
from generation.plan import Plan
from generation.states import RunStatus, Stage

HISTORY = 20  # runs of a stage that the rate is taken from
_FRESH_SECONDS = 10
# Seconds per unit of cost before there is any history: two processor cores and the models that ship.
_FIRST_RATES: Mapping[Stage, float] = {
    Stage.PREPROCESS: 0.1,
    Stage.GENERATE: 1.5e-5,
    Stage.INTERPOLATE: 1e-5,
    Stage.UPSCALE: 1e-6,
    Stage.ASSEMBLE: 2e-7,
}


def cost(stage: Stage, chunk: int, plan: Plan, request: RenderRequest) -> float:
    """The work of one stage of one chunk: pixels that its model has to compute, times passes.

    Linear in pixels: attention's quadratic part matters only near a model's native size, where the history follows it.
    """
    base = plan.base_width * plan.base_height
    if stage is Stage.GENERATE:
        return plan.base_frames * base * request.steps * (2 if request.guidance > 1 else 1)
    if stage is Stage.INTERPOLATE:
        return plan.chunks[chunk].frames * base
    if stage is Stage.UPSCALE:
        return plan.chunks[chunk].frames * base * plan.upscale**2
    if stage is Stage.ASSEMBLE:
        return plan.frames * plan.width * plan.height
    return 1.0


def seconds(stage: Stage, chunk: int, plan: Plan, request: RenderRequest) -> float:
    """How long one stage of one chunk will take on this machine."""
    return cost(stage, chunk, plan, request) * _rate(stage, request.model, int(time.monotonic() // _FRESH_SECONDS))


@lru_cache(maxsize=64)
def _rate(stage: Stage, model: str, _tick: int) -> float:
    """Seconds per unit of cost: the median of the last runs, which a model's first load does not distort."""
    runs = StageRun.objects.filter(stage=stage, status=RunStatus.DONE, cost__gt=0, job__request__model=model)
    recent = runs.order_by("-ended_at").values_list("started_at", "ended_at", "cost")[:HISTORY]
    rates = sorted((ended - started).total_seconds() / cost for started, ended, cost in recent)
    return rates[len(rates) // 2] if rates else _FIRST_RATES[stage]

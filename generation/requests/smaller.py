"""The next smaller request: as close to the one asked for as it can be with clearly less memory. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from generation.catalogue.load import BaseModel
from generation.domain.plan import Plan, plan
from generation.domain.shapes import native_size_for
from generation.domain.states import Stage
from generation.requests.fields import MIN_SIDE
from generation.requests.limits import Limits
from generation.requests.request import RenderRequest
from generation.requests.sizes import CUSTOM, SHORT_SIDES, aspect_of, scaled, size_of

ENOUGH = 0.75  # the share of the memory to use at most; what varies between two attempts is less than the rest


def smaller(
    request: RenderRequest, model: BaseModel, limits: Limits, stage: Stage | None = None, made: Plan | None = None
) -> RenderRequest | None:
    """Return the largest request that needs clearly less memory; None if there is none.

    Args:
        stage: where memory ran out; where that is not known, every stage needs less.
        made: the plan with which it did; by default, what the model's is now.
    """
    try:
        before = needs(made or plan(request, model))
    except ValueError:
        return None
    stages = [stage] if stage in before else list(before)
    found = []
    for candidate in _candidates(request, model, limits):
        try:
            now = needs(plan(candidate, model))
        except ValueError:
            continue
        if any(now[one] > before.get(one, now[one]) for one in now):
            continue
        if all(now.get(one, 0) <= ENOUGH * before[one] for one in stages):
            found.append(candidate)
    return max(found, key=lambda one: (_likeness(one, request), one.seconds), default=None)


def needs(made: Plan) -> dict[Stage, int]:
    """Return how many pixels each stage with a model holds at once: what its memory grows with."""
    base, chunk = made.base_width * made.base_height, max(part.stop - part.start for part in made.chunks)
    found = {Stage.GENERATE: base * made.base_frames}
    if Stage.INTERPOLATE in made.stages:
        found[Stage.INTERPOLATE] = base * chunk
    if Stage.UPSCALE in made.stages:
        found[Stage.UPSCALE] = base * made.upscale**2
    return found


def _candidates(request: RenderRequest, model: BaseModel, limits: Limits) -> Iterator[RenderRequest]:
    short, aspect = min(request.width, request.height), aspect_of(request.width, request.height)
    least = max(MIN_SIDE, model.min_size)
    native = native_size_for(request.width, request.height, model.native_sizes)
    own = (model.native_size, *(() if native is None else (min(native),)))
    sides = [side for side in (*SHORT_SIDES, *own) if least <= side < short]
    for side in (short, *sides):
        size = (
            size_of(side, aspect) if aspect != CUSTOM else scaled(request.width, request.height, side, limits.max_side)
        )
        if side == short:
            size = request.width, request.height
        if min(size) < least:
            continue
        for seconds in range(1, request.seconds + 1):
            if (size, seconds) != ((request.width, request.height), request.seconds):
                yield replace(request, width=size[0], height=size[1], seconds=seconds, quality="")


def _likeness(one: RenderRequest, other: RenderRequest) -> float:
    """Return how much of a request is left, 0 to 1: half as long is as bad as half as high."""
    return min(one.width, one.height) / min(other.width, other.height) * one.seconds / other.seconds

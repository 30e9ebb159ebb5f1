"""The stages of rendering: one table of everything that is known of each. Pure: no ORM, no Celery, no settings.

From it come the queues and routes (auravideo/celery.py), the workers that `manage.py serve` starts, the units of a plan
and their canvas, the labels, the estimates, the overview and the help page. See docs/developing.md, 'Add a stage with
its own queue'.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Protocol

from django.utils.translation import gettext_lazy as _

from generation.domain.states import Stage

if TYPE_CHECKING:
    from generation.domain.plan import Plan

CPU = "cpu"  # the queue of everything that needs no model: two stages, and the upkeep
_TASKS = "workers.tasks."
# What one pass over a frame costs before its first pixel, in pixels: measured on the models that ship, where it counts;
# a large model's frame has a hundred times as many.
_PASS_PIXELS = 2300


class Asked(Protocol):
    """What the work of a stage depends on beside the plan."""

    @property
    def steps(self) -> int: ...

    @property
    def guidance(self) -> float: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSpec:
    """One row of the table.

    `cost(plan, chunk, request)` is the work of one unit: pixels that a model has to compute, times passes. `first_rate`
    is seconds per unit of cost before there is any history: two processor cores and the models that ship.
    """

    stage: Stage
    queue: str
    label: Any
    about: Any  # for the help page, goes on after the label; "" keeps the stage off it
    per_chunk: bool  # once for each chunk of the plan, or once for the clip
    cost: Callable[[Plan, int, Asked], float]
    first_rate: float
    is_needed: Callable[[Plan], bool] = lambda _plan: True


def _generate_cost(plan: Plan, _chunk: int, request: Asked) -> float:
    pixels = plan.base_width * plan.base_height + _PASS_PIXELS
    return plan.base_frames * pixels * request.steps * (2 if request.guidance > 1 else 1)


def _interpolate_cost(plan: Plan, chunk: int, _request: Asked) -> float:
    return plan.chunks[chunk].frames * plan.base_width * plan.base_height


def _upscale_cost(plan: Plan, chunk: int, _request: Asked) -> float:
    """A network computes as many pixels as it is given; by 8 is by 4 and then, sixteen times as many, by 2."""
    return plan.chunks[chunk].frames * plan.base_width * plan.base_height * (17 if plan.upscale == 8 else 1)


# In the order in which a clip goes through them. The last stage makes the video and ends the job.
_TABLE = (
    StageSpec(
        stage=Stage.PREPROCESS,
        queue=CPU,
        label=_("Preparing"),
        about="",
        per_chunk=False,
        cost=lambda _plan, _chunk, _request: 1.0,
        first_rate=0.1,
    ),
    StageSpec(
        stage=Stage.GENERATE,
        queue="generate",
        label=_("Generating"),
        about=_(
            "creates small frames, eight per second, all at once out of noise. This takes most of "
            "the time, and the preview sharpens as you watch."
        ),
        per_chunk=False,
        cost=_generate_cost,
        first_rate=1e-6,
    ),
    StageSpec(
        stage=Stage.INTERPOLATE,
        queue="interpolate",
        label=_("Interpolating"),
        about=_("creates the frames in between, until the motion is as smooth as you asked."),
        per_chunk=True,
        cost=_interpolate_cost,
        first_rate=1e-5,
        is_needed=lambda plan: plan.factor > 1,
    ),
    StageSpec(
        stage=Stage.UPSCALE,
        queue="upscale",
        label=_("Upscaling"),
        about=_("enlarges every frame to full size and adds detail."),
        per_chunk=True,
        cost=_upscale_cost,
        first_rate=2e-6,
        is_needed=lambda plan: plan.upscale > 1,
    ),
    StageSpec(
        stage=Stage.ASSEMBLE,
        queue=CPU,
        label=_("Assembling"),
        about=_("writes the video file, with everything needed to make it again."),
        per_chunk=False,
        cost=lambda plan, _chunk, _request: plan.frames * plan.width * plan.height,
        first_rate=2e-7,
    ),
)
STAGES: Mapping[Stage, StageSpec] = {spec.stage: spec for spec in _TABLE}
LAST = _TABLE[-1].stage
QUEUES: tuple[str, ...] = tuple(dict.fromkeys(spec.queue for spec in _TABLE))


def needed_by(plan: Plan) -> tuple[Stage, ...]:
    """Return the stages that a plan needs, in order."""
    return tuple(spec.stage for spec in _TABLE if spec.is_needed(plan))


def blocks(stages: Iterable[Stage]) -> Iterator[tuple[bool, tuple[Stage, ...]]]:
    """Cut stages, in order, into (per chunk or not, stages): what a chunk goes through before it meets the others."""
    for per_chunk, block in groupby(stages, key=lambda stage: STAGES[stage].per_chunk):
        yield per_chunk, tuple(block)


def task_of(stage: Stage) -> str:
    """Return the name of the task that does a stage."""
    return f"{_TASKS}{stage.value}"


def stage_of(task: str) -> Stage | None:
    """Return the stage that the task of this name does, or None for every other task."""
    return next((stage for stage in STAGES if task_of(stage) == task), None)

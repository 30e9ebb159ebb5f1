"""The table of rendering stages: everything known about each one. Pure: no ORM, no Celery, no settings.

It defines the queues and routes (auravideo/celery.py), the workers that `manage.py serve` starts, the units of a plan
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

CPU = "cpu"  # the queue for work without a model: two stages and maintenance
_TASKS = "workers.tasks."
# Fixed cost of one pass over a frame, in pixels. Measured on the bundled models, where it matters; the frame of a large
# model has a hundred times as many pixels.
_PASS_PIXELS = 2300


class Asked(Protocol):
    """The properties of a request that the cost of a stage depends on, besides the plan."""

    @property
    def steps(self) -> int: ...

    @property
    def guidance(self) -> float: ...

    @property
    def model(self) -> str: ...

    @property
    def motion_adapter(self) -> str: ...


class Sized(Protocol):
    """The properties of a catalogue entry that decide which worker can run it."""

    @property
    def id(self) -> str: ...

    @property
    def memory_gb(self) -> float: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class StageSpec:
    """One row of the table.

    `cost(plan, chunk, request)` is the cost of one unit: pixels a model computes, times passes. `first_rate` is seconds
    per unit of cost, used until there is a history; measured on two CPU cores with the bundled models.
    `first_load` is the seconds it takes to load the stage's model, until that was measured; 0 for a stage without one.
    `entries(catalogue, request)` are the catalogue entries that the stage's engine consists of; the memory of the first
    covers all. Raises KeyError if one has left the catalogue.
    """

    stage: Stage
    queue: str
    label: Any
    about: Any  # continues the label on the help page; "" leaves the stage out
    per_chunk: bool  # runs once per chunk, rather than once per clip
    cost: Callable[[Plan, int, Asked], float]
    first_rate: float
    first_load: float = 0.0
    is_needed: Callable[[Plan], bool] = lambda _plan: True
    entries: Callable[[Any, Asked], tuple[Sized, ...]] = lambda _catalogue, _request: ()


def _generate_cost(plan: Plan, _chunk: int, request: Asked) -> float:
    pixels = plan.base_width * plan.base_height + _PASS_PIXELS
    return plan.base_frames * pixels * request.steps * (2 if request.guidance > 1 else 1)


def _generators(catalogue: Any, asked: Asked) -> tuple[Sized, ...]:
    """Return what generates the frames: a model, and its motion adapter if it has one."""
    model = catalogue.models[asked.model]
    return (model, catalogue.adapters[asked.motion_adapter]) if asked.motion_adapter else (model,)


def _interpolate_cost(plan: Plan, chunk: int, _request: Asked) -> float:
    return plan.chunks[chunk].frames * plan.base_width * plan.base_height


def _upscale_cost(plan: Plan, chunk: int, _request: Asked) -> float:
    """Return the number of input pixels; x8 runs as x4 and then x2 on 16 times as many pixels, hence the 17."""
    return plan.chunks[chunk].frames * plan.base_width * plan.base_height * (17 if plan.upscale == 8 else 1)


# In pipeline order. The last stage writes the video and ends the job.
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
            "creates frames, all at once out of noise, at a size and rate that the model was trained at. This takes "
            "most of the time, and the preview sharpens as you watch."
        ),
        per_chunk=False,
        cost=_generate_cost,
        first_rate=1e-6,
        first_load=20.0,
        entries=_generators,
    ),
    StageSpec(
        stage=Stage.INTERPOLATE,
        queue="interpolate",
        label=_("Interpolating"),
        about=_("creates the frames in between, until the motion is as smooth as you asked."),
        per_chunk=True,
        cost=_interpolate_cost,
        first_rate=1e-5,
        first_load=9.0,
        is_needed=lambda plan: plan.factor > 1,
        entries=lambda catalogue, asked: (catalogue.interpolators[catalogue.models[asked.model].interpolator],),
    ),
    StageSpec(
        stage=Stage.UPSCALE,
        queue="upscale",
        label=_("Upscaling"),
        about=_("enlarges every frame to full size and adds detail."),
        per_chunk=True,
        cost=_upscale_cost,
        first_rate=2e-6,
        first_load=9.0,
        is_needed=lambda plan: plan.upscale > 1,
        entries=lambda catalogue, asked: (catalogue.upscalers[catalogue.models[asked.model].upscaler],),
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
    """Yield (per chunk, stages) for each run of consecutive stages that are all per chunk or all per clip."""
    for per_chunk, block in groupby(stages, key=lambda stage: STAGES[stage].per_chunk):
        yield per_chunk, tuple(block)


def task_of(stage: Stage) -> str:
    """Return the name of the Celery task of a stage."""
    return f"{_TASKS}{stage.value}"


def stage_of(task: str) -> Stage | None:
    """Return the stage that a task runs, by the name of the task; None for any other task."""
    return next((stage for stage in STAGES if task_of(stage) == task), None)

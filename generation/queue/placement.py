"""Which worker should run a unit: the memory that its model needs, and who holds that model already."""

from collections.abc import Iterable, Mapping

from django.conf import settings
from django.utils import formats
from django.utils.translation import gettext as _

from auravideo.commands import manage
from generation.catalogue import card_memory
from generation.domain.memory_classes import BASE, EVERYWHERE, GB, can_take, class_of, queue_for
from generation.domain.plan import Plan, plan
from generation.domain.stages import STAGES, Sized
from generation.domain.states import Stage
from generation.queue import roster
from generation.requests import available
from generation.requests.request import RenderRequest

# How often a unit is passed on to an idle worker that holds its model, before whoever has it next loads the model. This
# bounds what a unit can lose by the preference: three messages, some 10 ms, however many other models are wanted.
MAX_PASSES = 3


def entries(stage: Stage, request: RenderRequest) -> tuple[Sized, ...]:
    """Return the catalogue entries of a stage's engine; empty if it has none, or if one has left the catalogue."""
    try:
        return STAGES[stage].entries(available.catalogue(), request)
    except KeyError:  # the stage itself says so, with an error for the user
        return ()


def engine_of(stage: Stage, request: RenderRequest) -> str:
    """Return the name under which a worker reports the engine of a stage as warm; "" for a stage without a model."""
    return "/".join(entry.id for entry in entries(stage, request))


def needed(stage: Stage, request: RenderRequest) -> int:
    """Return the memory, in bytes, without which no worker can run a stage; 0 if it is not known.

    Generation has modes that make do with less memory, so the most economical one counts. For the other stages, and for
    models whose modes nobody calculated, the catalogue's figure does.
    """
    if stage == Stage.GENERATE and (by_mode := generation_needs(request)):
        return min(by_mode.values())
    return max((int(entry.memory_gb * GB) for entry in entries(stage, request)[:1]), default=0)


def generation_needs(request: RenderRequest, made: Plan | None = None) -> Mapping[str, int]:
    """Return the bytes that generating a clip needs in each memory mode, the fastest first; empty if not known."""
    model = available.catalogue().models.get(request.model)
    if model is None:
        return {}
    try:
        made = made or plan(request, model)
    except ValueError:  # the catalogue has changed since
        return {}
    size = (made.base_width, made.base_height, made.base_frames)
    return card_memory.needs(model, *size, guided=request.guidance > 1, inexact=settings.INEXACT_MEMORY)


def queue_of(stage: Stage, request: RenderRequest) -> str:
    """Return the queue of a unit: that of its stage, or of the memory class that its model needs."""
    return queue_for(STAGES[stage].queue, needed(stage, request))


def queues_of(request: RenderRequest, plan: Plan) -> Mapping[Stage, str]:
    """Return the queue of every stage of a plan."""
    return {stage: queue_of(stage, request) for stage in plan.stages}


def better_queue(
    stage: Stage,
    request: RenderRequest,
    *,
    name: str,
    memory: int,
    queues: tuple[str, ...],
    warm: list[str],
    passes: int,
) -> str | None:
    """Return the queue to which a worker should pass a unit on; None if it should run it itself.

    Args:
        name: the worker that has the unit. `memory` is what it may use, in bytes, `queues` what it reads and `warm` the
            engines that it holds.
        passes: how often the unit was passed on before.
    """
    queue, need = STAGES[stage].queue, needed(stage, request)
    if need > memory:
        larger = queue_for(queue, max(need, BASE * GB + 1))  # everyone reads the stage's own queue, however small
        if larger not in queues:  # beyond the largest class, there is nobody to pass it on to
            return larger
    engine = engine_of(stage, request)
    if engine and engine not in warm and passes < MAX_PASSES and roster.idle_holders(queue, engine, name, need):
        return queue_for(queue, need)
    return None


def is_cold(stage: Stage, request: RenderRequest) -> bool:
    """Return whether a worker would have to load the model of a stage: none of those that are there holds it.

    A stage without any worker is not cold: where the site has none, nothing is known.
    """
    there = roster.capacity().get(STAGES[stage].queue) if STAGES[stage].first_load else None
    return there is not None and engine_of(stage, request) not in there.warm


def nobody_there(stages: Iterable[Stage]) -> Stage | None:
    """Return the first of some stages that no worker on this site runs; None if there are workers for all."""
    unserved = roster.unserved()
    return next((stage for stage in stages if STAGES[stage].queue in unserved), None)


def without_worker(stage: Stage) -> str:
    """Return, worded for the user, that no worker for a stage is running."""
    return _("No worker for the step “%(stage)s” is running. The clip will wait there until one starts.") % {
        "stage": STAGES[stage].label
    }


def how_to_start(stage: Stage) -> str:
    """Return, worded for the staff, how to start a worker for a stage."""
    return _("Start one: %(command)s") % {"command": manage(f"serve --only workers --queues {STAGES[stage].queue}")}


def no_room(request: RenderRequest, stages: Iterable[Stage]) -> str:
    """Return, worded for the user, which of the stages no worker here has the memory for; "" if there is none.

    A stage without any worker is not reported: where the site has none, nothing is known about their memory.
    """
    needs = {stage: need for stage in stages if (need := needed(stage, request)) > EVERYWHERE * GB}
    if not needs:
        return ""
    capacity = roster.capacity()
    for stage, need in needs.items():
        there = capacity.get(STAGES[stage].queue)
        if there is not None and not can_take(STAGES[stage].queue, there.memory, need):
            need = need if need > there.memory else class_of(need) * GB
            return _(
                "The stage “%(stage)s” of this model needs %(need)s GB of memory, and the largest worker on this site "
                "has %(most)s GB. The clip will wait until a larger one joins."
            ) % {"stage": STAGES[stage].label, "need": in_gb(need), "most": in_gb(there.memory)}
    return ""


def in_gb(size: int) -> str:
    """Return a size in GB with one decimal place, as a user writes it."""
    return formats.number_format(round(size / GB, 1), 1)  # which would cut, not round

"""Which worker should run a unit: the memory that its model needs, and who holds that model already.

`made` is the plan of a request: a job that waits needs the same memory whatever becomes of the catalogue. Without one,
it is what the catalogue plans now.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from django.conf import settings
from django.utils import formats
from django.utils.translation import gettext as _

from auravideo.commands import manage
from generation.catalogue import card_memory
from generation.domain.memory_classes import BASE, EVERYWHERE, GB, Need, class_of, queue_for
from generation.domain.plan import Plan, plan
from generation.domain.stages import STAGES, Sized
from generation.domain.states import Stage
from generation.queue import roster
from generation.requests import available
from generation.requests.request import RenderRequest

# How often a unit is passed on to an idle worker that holds its model, before whoever has it next loads the model. This
# bounds what a unit can lose by the preference: three messages, some 10 ms, however many other models are wanted.
MAX_PASSES = 3

# A card's memory mode this much slower than a larger card's is worth a message; less is lost in the noise.
WORTH_PASSING = 0.9
NO_PROCESSOR = 2**63 - 1  # bytes that no worker without a card has

R = TypeVar("R")


def entries(stage: Stage, request: RenderRequest) -> tuple[Sized, ...]:
    """Return the catalogue entries of a stage's engine; empty if it has none, or if one has left the catalogue."""
    try:
        return STAGES[stage].entries(available.catalogue(), request)
    except KeyError:  # the stage itself says so, with an error for the user
        return ()


def engine_of(stage: Stage, request: RenderRequest) -> str:
    """Return the name under which a worker reports the engine of a stage as warm; "" for a stage without a model."""
    return "/".join(entry.id for entry in entries(stage, request))


def needed(stage: Stage, request: RenderRequest, made: Plan | None = None) -> Need:
    """Return the memory without which no worker can run a stage; 0 where it is not known.

    Generation has modes that make do with less memory, so the most economical one counts, of those that a card has or a
    CPU. For the other stages, and for models whose modes nobody calculated, the catalogue's figure does.
    """
    if stage == Stage.GENERATE and (by_mode := generation_needs(request, made)):
        return Need(min(by_mode.values()), _calculated(request, made, card_memory.on_processor) or 0)
    stated = max((int(entry.memory_gb * GB) for entry in entries(stage, request)[:1]), default=0)
    return Need(stated, stated)


def at_full_speed(stage: Stage, request: RenderRequest, made: Plan | None = None) -> Need:
    """Return the memory with which a worker runs a stage in its fastest mode; 0 where it is not known.

    For what should not make another model slow: `needed` says how little would do.
    """
    least = needed(stage, request, made)
    by_mode = generation_needs(request, made) if stage == Stage.GENERATE else {}
    return Need(next(iter(by_mode.values()), least.card), least.processor)


def generation_needs(request: RenderRequest, made: Plan | None = None) -> Mapping[str, int]:
    """Return the bytes that generating a clip needs in each memory mode, the fastest first; empty if not known."""
    return _calculated(request, made, partial(card_memory.needs, inexact=settings.INEXACT_MEMORY)) or {}


def _calculated(request: RenderRequest, made: Plan | None, calculate: Callable[..., R]) -> R | None:
    """Return what a function of `card_memory` says about a clip; None if its model has left, or cannot render it."""
    model = available.catalogue().models.get(request.model)
    if model is None:
        return None
    try:
        made = made or plan(request, model)
    except ValueError:  # the catalogue has changed since
        return None
    return calculate(model, made.base_width, made.base_height, made.base_frames, guided=request.guidance > 1)


def queue_of(stage: Stage, request: RenderRequest, made: Plan | None = None) -> str:
    """Return the queue of a unit: that of its stage, or of the memory class that its model needs on a card."""
    return queue_for(STAGES[stage].queue, needed(stage, request, made).card)


def queues_of(request: RenderRequest, plan: Plan) -> Mapping[Stage, str]:
    """Return the queue of every stage of a plan."""
    return {stage: queue_of(stage, request, plan) for stage in plan.stages}


def better_queue(
    stage: Stage,
    request: RenderRequest,
    made: Plan | None = None,
    *,
    name: str,
    memory: int,
    is_card: bool,
    queues: tuple[str, ...],
    warm: list[str],
    passes: int,
) -> str | None:
    """Return the queue to which a worker should pass a unit on; None if it should run it itself.

    Args:
        name: the worker that has the unit. `memory` is what it may use in bytes, of a card (`is_card`) or of main
            memory, `queues` what it reads and `warm` the engines that it holds.
        passes: how often the unit was passed on before.
    """
    queue, need = STAGES[stage].queue, needed(stage, request, made)
    if need.on(is_card=is_card) > memory and (larger := _larger(queue, need, memory, queues, is_card=is_card)):
        return larger
    if passes >= MAX_PASSES:
        return None
    engine = engine_of(stage, request)
    least = _better_mode(request, memory, made) if is_card and stage == Stage.GENERATE else None
    if least is not None and (larger := _idle_larger(queue, engine, name, least, warm)):
        return larger
    if engine and engine not in warm and roster.idle_holders(queue, engine, name, need):
        return queue_for(queue, need.card)
    return None


def _better_mode(request: RenderRequest, memory: int, made: Plan | None = None) -> int | None:
    """Return the memory of the card on which a clip is generated much faster than on one of `memory` bytes, or exactly
    rather than nearly so; None if there is no such mode."""
    model = available.catalogue().models.get(request.model)
    needs = generation_needs(request, made)
    mine = card_memory.choose_mode(needs, memory)
    if model is None or mine is None:
        return None
    modes = {mode.name: mode for mode in card_memory.modes(model, settings.INEXACT_MEMORY)}
    own = modes[mine]
    better = [
        needs[mode.name]
        for mode in modes.values()
        if needs[mode.name] > memory
        and (own.speed < WORTH_PASSING * mode.speed or (mode.is_exact and not own.is_exact))
    ]
    return min(better, default=None)


def _idle_larger(queue: str, engine: str, name: str, least: int, warm: list[str]) -> str | None:
    """Return the queue of a card with at least `least` bytes that has nothing to do. If this worker holds the model
    already, the other must, too: loading takes longer than an economical mode."""
    need = Need(least, NO_PROCESSOR)
    idle = roster.idle_holders(queue, engine, name, need) if engine in warm else roster.has_idle(queue, need)
    return queue_for(queue, least) if idle else None


def _larger(queue: str, need: Need, memory: int, queues: tuple[str, ...], *, is_card: bool) -> str | None:
    """Return the queue of larger workers than one that is too small for a unit; None if there is nobody to pass it to.

    Everyone reads the stage's own queue, however small, so it is that of a class: on a card, of the unit's. A worker
    without a card may need more than any card, so it passes the unit to the next class that it does not read itself.
    """
    least = max(need.card, BASE * GB + 1, 0 if is_card else memory + 1)
    larger = queue_for(queue, least)
    if larger in queues:  # beyond the largest class
        return None
    if not is_card and roster.has_able(queue, need) and not roster.has_able(queue, need, least):
        return None  # only cards that read the same queues as this worker could: whoever takes it first tries
    return larger


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


def no_room(request: RenderRequest, stages: Iterable[Stage], made: Plan | None = None) -> str:
    """Return, worded for the user, which of the stages no worker here has the memory for; "" if there is none.

    A stage without any worker is not reported: where the site has none, nothing is known about their memory.
    """
    needs = {stage: need for stage in stages if (need := needed(stage, request, made)).processor > EVERYWHERE * GB}
    if not needs:
        return ""
    capacity = roster.capacity()
    for stage, both in needs.items():
        there = capacity.get(STAGES[stage].queue)
        if there is None or there.can_take(STAGES[stage].queue, both):
            continue
        least, most = both.on(is_card=there.has_card), max(there.cards or there.processors)
        least = least if least > most else class_of(least) * GB
        return _(
            "The stage “%(stage)s” of this model needs %(need)s GB of memory, and the largest worker on this site "
            "has %(most)s GB. The clip will wait until a larger one joins."
        ) % {"stage": STAGES[stage].label, "need": in_gb(least), "most": in_gb(most)}
    return ""


def in_gb(size: int) -> str:
    """Return a size in GB with one decimal place, as a user writes it."""
    return formats.number_format(round(size / GB, 1), 1)  # which would cut, not round

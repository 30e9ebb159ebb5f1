"""The qualities draft, standard and best: their size, frame rate and steps on a model. Pure arithmetic."""

from dataclasses import dataclass
from functools import lru_cache

from generation.catalogue.load import BaseModel, MotionAdapter
from generation.domain.plan import largest_short_side
from generation.domain.shapes import SQUARE, Size
from generation.requests.fields import MAX_STEPS, MIN_SIDE
from generation.requests.rates import even_rates, standard_rate
from generation.requests.sizes import ASPECTS, CUSTOM, largest_short_side_of, size_of

DRAFT, STANDARD, BEST = QUALITIES = ("draft", "standard", "best")
STANDARD_SIDE = 256  # pixels, minimum
DRAFT_STEPS, BEST_STEPS = 0.4, 1.5  # times the model's default


@dataclass(frozen=True, slots=True)
class Quality:
    """The values of a quality: `short_side` in pixels, `fps` in frames per second, `steps` denoising steps."""

    short_side: int
    fps: int
    steps: int


def quality_of(
    id: str, model: BaseModel, adapter: MotionAdapter | None = None, *, aspect: str = SQUARE, max_side: int = 4096
) -> Quality:
    """Return the values of quality `id` on a model, capped by its reach and the operator's longest side.

    A draft is interpolated if the standard is, at the lowest rate: all interpolated rates share the same number of base
    frames, so the same seed gives the same noise. If the base size is also the same, the full clip is a finer version
    of the draft.
    """
    reach = largest_short_side_of(aspect if aspect in ASPECTS else SQUARE, model, max_side)
    rates, usual = even_rates(model.native_fps), standard_rate(model.native_fps)
    few = model.has_few_steps or (adapter is not None and adapter.steps is not None)  # distilled for this exact number
    steps = model.usual_steps(adapter)
    native = model.native_side(aspect)
    standard = max(STANDARD_SIDE, native)
    if id == DRAFT:
        fps = next(fps for fps in rates if fps > model.native_fps or fps == usual)
        return Quality(
            min(_draft_side(model, native), reach), fps, steps if few else max(1, round(steps * DRAFT_STEPS))
        )
    if id == STANDARD:
        return Quality(min(standard, reach), usual, steps)
    if id == BEST:
        finer = steps if few else min(MAX_STEPS, round(steps * BEST_STEPS))
        return Quality(min(2 * standard, reach), rates[-1], finer)
    raise KeyError(id)


@lru_cache(maxsize=64)  # a batch asks for it row by row
def usual_size(model: BaseModel, max_side: int) -> Size:
    """Return the width and height of a clip for which nobody chose any: those with which the form opens.

    If the shape does not fit within `max_side`, it is a square.
    """
    aspect = model.usual_aspect
    short_side = quality_of(STANDARD, model, aspect=aspect, max_side=max_side).short_side
    if short_side < MIN_SIDE:
        aspect, short_side = SQUARE, quality_of(STANDARD, model, max_side=max_side).short_side
    return size_of(short_side, aspect)


def _draft_side(model: BaseModel, native: int) -> int:
    """Return half the model's native side, but no less than the model or a request allows."""
    multiple = model.frame_rule.side_multiple
    half = native // 2 // multiple * multiple
    return min(max(MIN_SIDE, model.min_size, half), largest_short_side(model))


def matching(values: Quality, model: BaseModel, adapter: MotionAdapter | None, *, aspect: str, max_side: int) -> str:
    """Return the quality with exactly these values, or `CUSTOM`; the standard one where a draft is the same."""
    if aspect == CUSTOM:
        return CUSTOM
    known = {id: quality_of(id, model, adapter, aspect=aspect, max_side=max_side) for id in (STANDARD, DRAFT, BEST)}
    return next((id for id, found in known.items() if found == values), CUSTOM)

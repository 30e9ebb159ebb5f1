"""Conversion between a short side with an aspect ratio and a width and height. Pure arithmetic, in pixels."""

from generation.catalogue.load import BaseModel
from generation.domain.plan import SIDE_MULTIPLE, largest_short_side
from generation.domain.shapes import ASPECTS as ASPECTS
from generation.domain.shapes import SQUARE

SHORT_SIDES = (128, 256, 384, 512, 768, 1024, 1536, 2048)  # suggestions; any even number is valid
CUSTOM = "custom"  # a width and height that match none of `ASPECTS`


def size_of(short_side: int, aspect: str) -> tuple[int, int]:
    """Return (width, height), with the longer side rounded to a multiple of 8 so that nothing is cropped."""
    across, down = ASPECTS[aspect]
    if across == down:
        return short_side, short_side
    longer = round(short_side * max(across, down) / min(across, down) / SIDE_MULTIPLE) * SIDE_MULTIPLE
    return (longer, short_side) if across > down else (short_side, longer)


def aspect_of(width: int, height: int) -> str:
    """Return the aspect ratio that gives exactly this size, or `CUSTOM`."""
    return next((aspect for aspect in ASPECTS if size_of(min(width, height), aspect) == (width, height)), CUSTOM)


def scaled(width: int, height: int, short_side: int, max_side: int) -> tuple[int, int]:
    """Return an even (width, height) of the same proportions, with this short side or less to fit `max_side`."""
    factor = min(short_side / min(width, height), max_side / max(width, height))
    return int(width * factor / 2) * 2, int(height * factor / 2) * 2


def largest_short_side_of(aspect: str, model: BaseModel, max_side: int) -> int:
    """Return the longest short side, even, within both the model's reach and the operator's `max_side`."""
    short_side = min(largest_short_side(model), max_side) // 2 * 2
    while short_side > 2 and max(size_of(short_side, aspect)) > max_side:
        short_side -= 2
    return short_side


def suggested_short_sides(model: BaseModel, max_side: int) -> list[int]:
    """Return the suggested short sides up to the longest possible for a square, which is included.

    The model's own are among them, as nothing is upscaled there, and their doubles. Smaller ones than it makes are not:
    they take no less work.
    """
    largest = largest_short_side_of(SQUARE, model, max_side)
    least = max(SHORT_SIDES[0], model.min_size)
    own = {model.native_size, *map(min, model.native_sizes.values())}
    sides = (*SHORT_SIDES, *own, *(2 * side for side in own))
    return sorted({side for side in sides if least <= side <= largest} | {largest})

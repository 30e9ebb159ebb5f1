"""Widths and heights from a short side and an aspect ratio, and back. Pure arithmetic; everything in pixels."""

from generation.catalogue.load import BaseModel
from generation.domain.plan import SIDE_MULTIPLE, largest_short_side

ASPECTS = {"16:9": (16, 9), "3:2": (3, 2), "1:1": (1, 1), "2:3": (2, 3), "9:16": (9, 16)}
SHORT_SIDES = (128, 256, 384, 512, 768, 1024, 1536, 2048)  # suggested; any even number will do
CUSTOM = "custom"  # a width and a height that no aspect ratio of ours gives


def size_of(short_side: int, aspect: str) -> tuple[int, int]:
    """(width, height): the longer side is the nearest multiple of 8, so that nothing has to be cropped."""
    across, down = ASPECTS[aspect]
    if across == down:
        return short_side, short_side
    longer = round(short_side * max(across, down) / min(across, down) / SIDE_MULTIPLE) * SIDE_MULTIPLE
    return (longer, short_side) if across > down else (short_side, longer)


def aspect_of(width: int, height: int) -> str:
    """The aspect ratio that gives exactly this size, or `CUSTOM`."""
    return next((aspect for aspect in ASPECTS if size_of(min(width, height), aspect) == (width, height)), CUSTOM)


def scaled(width: int, height: int, short_side: int, max_side: int) -> tuple[int, int]:
    """(width, height) in the same proportions, even, with this short side or as much of it as the longer one allows."""
    factor = min(short_side / min(width, height), max_side / max(width, height))
    return int(width * factor / 2) * 2, int(height * factor / 2) * 2


def largest_short_side_of(aspect: str, model: BaseModel, max_side: int) -> int:
    """The longest short side that both the model can reach and the operator's longest side allows; even."""
    short_side = min(largest_short_side(model), max_side) // 2 * 2
    while short_side > 2 and max(size_of(short_side, aspect)) > max_side:
        short_side -= 2
    return short_side


def suggested_short_sides(model: BaseModel, max_side: int) -> list[int]:
    """Usual short sides, up to the longest that a square can have."""
    largest = largest_short_side_of("1:1", model, max_side)
    return sorted({side for side in SHORT_SIDES if side <= largest} | {largest})

"""The shapes of clips, and the size at which a model was trained for each. Pure arithmetic, in pixels."""

from collections.abc import Mapping

Size = tuple[int, int]
"""Width and height."""

ASPECTS: Mapping[str, Size] = {"16:9": (16, 9), "3:2": (3, 2), "1:1": (1, 1), "2:3": (2, 3), "9:16": (9, 16)}
SQUARE = "1:1"
PERCENT_OFF = 5  # Wan's 832x480 for 16:9 is 2.5 % narrower, its 1280x704 2.3 % wider; the shapes are 19 % apart


def has_aspect(width: int, height: int, aspect: str) -> bool:
    """Return whether a size has an aspect ratio, give or take `PERCENT_OFF`."""
    across, down = ASPECTS[aspect]
    one, other = width * down, height * across
    return 100 * max(one, other) <= (100 + PERCENT_OFF) * min(one, other)


def native_size_for(width: int, height: int, sizes: Mapping[str, Size]) -> Size | None:
    """Return which of a model's native sizes, by aspect ratio, is for clips of this shape; None if none is."""
    return next((size for aspect, size in sizes.items() if has_aspect(width, height, aspect)), None)

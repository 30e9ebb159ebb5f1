"""What the operator allows, and what holds where they say nothing: the settings and `Limits` have these defaults."""

from dataclasses import dataclass

MAX_SIDE = 2048  # pixels
MAX_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows: the longest side in pixels, the longest clip in seconds."""

    max_side: int = MAX_SIDE
    max_seconds: int = MAX_SECONDS

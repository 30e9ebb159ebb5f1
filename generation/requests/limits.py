"""The operator's limits and their defaults, shared by the settings and `Limits`."""

from dataclasses import dataclass

MAX_SIDE = 2048  # pixels
MAX_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The operator's limits: longest side in pixels, longest clip in seconds."""

    max_side: int = MAX_SIDE
    max_seconds: int = MAX_SECONDS

"""The operator's limits and their defaults, shared by the settings and `Limits`."""

from dataclasses import dataclass

MAX_SIDE = 2048  # pixels
MAX_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a site, or of one user: longest side in pixels, longest clip in seconds.

    `is_own_side` and `is_own_seconds`: whether a user's quota sets them, and messages say so.
    """

    max_side: int = MAX_SIDE
    max_seconds: int = MAX_SECONDS
    is_own_side: bool = False
    is_own_seconds: bool = False

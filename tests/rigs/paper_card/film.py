"""FILM's need by arithmetic, because a TensorFlow graph cannot run on paper (`film_in_torch.py` can).

The configuration is that of the published style network: seven levels, of which five are fused, features of 64, 128,
256 and 512 channels cascaded over four levels. The sum is an upper bound: what one level's operators hold is counted as
if nothing of the other levels had been released.
"""

from generation.catalogue.card_memory import CONTEXT, GAPS

FUSED_LEVELS = 5
CASCADE = 4
FILTERS = 64
FLOAT = 4
WEIGHTS = 141 * 10**6  # the size of the published file
IMAGE, FLOW = 3, 2


def channels(level: int) -> int:
    """Return the feature channels of a level: those of this scale, and of the next finer ones that end here."""
    return sum(FILTERS << index for index in range(min(level + 1, CASCADE)))


def floats_per_pixel() -> float:
    """Return what is held per pixel of a pair when its features are warped and joined for the fusion, in floats."""
    features = warped = joined = 0.0
    for level in range(FUSED_LEVELS):
        share = 0.25**level
        features += 2 * channels(level) * share
        warped += 2 * (IMAGE + channels(level)) * share
        joined += (2 * (IMAGE + channels(level)) + 2 * FLOW) * share
    return features + warped + joined


def needed_bytes(width: int, height: int, pairs: int = 1) -> int:
    """Return what interpolating between pairs of frames needs of a card at most."""
    return int(floats_per_pixel() * FLOAT * width * height * pairs) + WEIGHTS + CONTEXT + GAPS

"""The frame rates on offer for a model, in frames per second. Pure arithmetic."""

from generation.requests.fields import FPS

USUAL = 24  # what films have, and requests that name no rate


def even_rates(native_fps: int) -> list[int]:
    """Return the rates that a model reaches with equal steps in time: multiples of its own; those on offer if none."""
    return [fps for fps in FPS if fps % native_fps == 0] or offered_rates(native_fps)


def offered_rates(native_fps: int) -> list[int]:
    """Return the rates that suit a model: those with equal steps in time, and the usual one if it makes fewer frames.

    From others, some frames would be dropped here and there, which is no gain over the model's own rate.
    """
    found = [fps for fps in FPS if fps % native_fps == 0 or native_fps % fps == 0 or fps == USUAL > native_fps]
    return found or [USUAL]


def standard_rate(native_fps: int) -> int:
    """Return the rate of a clip for which nobody chose one: the usual one, or the closest that the model reaches."""
    rates = even_rates(native_fps)
    return max(fps for fps in rates if fps <= USUAL or fps == rates[0])

"""Frames between two stages that are missing or damaged."""

from collections.abc import Callable
from random import Random

from generation.domain.states import Stage
from tests.chaos.plan import Kind, Planned
from tests.chaos.world import NotNow, World

MADE_BY = (Stage.GENERATE, Stage.INTERPOLATE, Stage.UPSCALE)


def _one(world: World, planned: Planned) -> str:
    """Return the key of a chunk that a stage has written, of a clip that has not ended."""
    found = [key for job in world.active() for key in world.chunks(job, planned.stage)]
    if not found:
        raise NotNow
    return Random(planned.number).choice(found)


def _changed(harm: Callable[[bytes], bytes]) -> Callable[[World, Planned], None]:
    def act(world: World, planned: Planned) -> None:
        key = _one(world, planned)
        try:
            world.write(key, harm(world.read(key)))
        except OSError as error:  # its clip has just ended
            raise NotNow from error

    return act


def _flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :] if content else content


def remove(world: World, planned: Planned) -> None:
    try:
        world.remove(_one(world, planned))
    except OSError as error:
        raise NotNow from error


KINDS = (
    Kind("a byte of stored frames changes", _changed(_flip), stages=MADE_BY),
    Kind("stored frames are cut short", _changed(lambda content: content[: len(content) // 2]), stages=MADE_BY),
    Kind("a file of stored frames is empty", _changed(lambda _content: b""), stages=MADE_BY),
    Kind("stored frames are gone", remove, stages=MADE_BY),
)

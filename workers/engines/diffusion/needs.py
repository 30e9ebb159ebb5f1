"""What a clip needs of a card in each memory mode, known before the first kernel runs."""

from collections.abc import Mapping
from typing import Protocol

from generation.catalogue.card_memory import CONTEXT
from workers.engines.diffusion.clip import Clip
from workers.engines.memory import Rung


class Needs(Protocol):
    """Returns the bytes of a card that a clip needs, by memory mode; empty if nothing was calculated for the model."""

    def __call__(self, width: int, height: int, frames: int, *, guided: bool) -> Mapping[str, int]: ...


def needed_bytes(rung: Rung, clip: Clip, least: int, needs: Needs | None = None) -> int:
    """Return what a clip needs in a memory mode, without CUDA's context, which is on the card already.

    Where nothing was calculated, that is `least`, what the weights take at the very least.
    """
    by_mode = needs(clip.width, clip.height, clip.frames, guided=clip.guidance > 1) if needs else {}
    return max(least, by_mode.get(rung.name, 0) - CONTEXT)

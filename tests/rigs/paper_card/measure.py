"""What the engines need on a card on paper: the peak of each stage, in every memory mode, at every size and length."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.cards import Card, least_seconds
from tests.rigs.paper_card.pipelines import Networks, engine_on, fit_preview
from workers.engines.ladder import Ladder
from workers.engines.memory import rung_index

MOST_FRAMES = 100  # beyond any window
GUIDANCE = 7.5  # anything above 1: the network computes two halves


@dataclass(frozen=True)
class Need:
    """What one clip takes in one memory mode: bytes at most in each of the `stages`.

    `windowed` says whether the motion modules see a part of the clip at a time (FreeNoise), `seconds` is the least time
    of one denoising step, `moved` the bytes that cross the bus for a clip of one step, and `moved_a_step` those of them
    that do so at every step. `operations` are those of a step, if they were counted.
    """

    mode: str
    width: int
    height: int
    frames: int
    windowed: bool
    stages: dict[str, int]
    seconds: float
    moved: int
    moved_a_step: int = 0
    operations: int = 0

    @property
    def peak(self) -> int:
        return max(self.stages.values())

    @property
    def volume(self) -> list[int]:
        """Return the pixels, and the pixels of all frames."""
        pixels = self.width * self.height
        return [pixels, pixels * self.frames]


class Bench:
    """An engine on a card on paper that makes clips of one step.

    Args:
        base: a folder with tokenizer and scheduler.
        card: whose figures are used for times.
        options: of the engine.
    """

    def __init__(self, base: Path, networks: Networks, card: Card, dtype: torch.dtype = torch.float16, **options: Any):
        options = {"inexact": "early", **options}
        self.paper = PaperCard()
        self._base, self._networks, self._card, self._dtype, self._options = base, networks, card, dtype, options
        self._engine: Any = None
        self._steps: list[list[int]] = []  # what was moved so far when each pass of a step begins, and when it ends

    def __enter__(self) -> "Bench":
        self.paper.__enter__()
        self._engine = engine_on(self.paper, self._base, self._networks, self._dtype, **self._options)
        fit_preview(self._engine)
        self._watch_the_bus(self._engine._pipeline.unet)
        return self

    def _watch_the_bus(self, unet: Any) -> None:
        """Count what a step moves after the network has come to the card, which it does before its first layer runs."""
        steps = self._steps = []
        unet.register_forward_pre_hook(lambda *_: steps.append([]))
        unet.conv_in.register_forward_pre_hook(lambda *_: steps[-1].append(self.paper.memory.moved))
        unet.register_forward_hook(lambda *_: steps[-1].append(self.paper.memory.moved))

    def __exit__(self, *error: Any) -> None:
        self.paper.__exit__(*error)

    @property
    def window(self) -> int:
        """Return the most frames that the engine's motion modules see at once."""
        return max(frames for frames in range(1, MOST_FRAMES) if self._engine._window(frames) is None)

    def need(self, mode: str, width: int, height: int, frames: int, guidance: float = GUIDANCE) -> Need:
        """Return what a clip takes that starts in main memory."""
        engine, paper = self._engine, self.paper
        engine._clear()
        engine._first_rung = rung_index(mode, engine._rungs)
        engine._ladder = Ladder()
        paper.start_over()
        engine.generate(
            *("a red heart", "", width, height, frames, 1, guidance, 1, lambda *_: None),
            scheduler={"class": "DDIMScheduler"},
        )
        paper.begin()  # for what was allocated after the last stage
        seconds = least_seconds(paper.kernels["denoise"], self._card)
        windowed = frames > self.window
        first, *_, last = self._steps[-1]
        stages, moved = dict(paper.stages), paper.memory.moved
        return Need(mode, width, height, frames, windowed, stages, seconds, moved, last - first)

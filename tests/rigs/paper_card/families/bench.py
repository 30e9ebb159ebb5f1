"""What clips of the other model families need on a card on paper."""

from pathlib import Path
from typing import Any

from tests.full_size_families import FullSize
from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.cards import Card, least_seconds
from tests.rigs.paper_card.families.engines import engine_on, fit_preview
from tests.rigs.paper_card.measure import Need
from workers.engines.ladder import Ladder
from workers.engines.memory import rung_index

# Networks that come and go between denoising and decoding take as much for every clip, as the text encoder does.
STAGES = ("text", "denoise", "text", "decode")


class FamilyBench:
    """An engine on a card on paper that makes clips of one step. Use it as a context manager.

    Args:
        folder: as `engines.write_small_files` left it.
        card: whose figures are used for times.
    """

    def __init__(self, folder: Path, family: FullSize, card: Card) -> None:
        self.paper = PaperCard()
        self._folder, self._family, self._card = folder, family, card
        self._engine: Any = None
        self._watch: _Watch | None = None

    def __enter__(self) -> "FamilyBench":
        self.paper.__enter__()
        self._engine = engine_on(self.paper, self._folder, self._family)
        fit_preview(self._engine)
        self._watch = _Watch(self.paper, self._engine._pipeline)
        return self

    def __exit__(self, *error: Any) -> None:
        self.paper.__exit__(*error)

    def need(self, mode: str, width: int, height: int, frames: int) -> Need:
        """Return what a clip takes that starts in main memory, by stage."""
        assert self._watch is not None
        engine, paper = self._engine, self.paper
        engine._clear()
        engine._first_rung = rung_index(mode, engine._rungs)
        engine._ladder = Ladder()
        paper.start_over()
        self._watch.start_over()
        guidance = self._family.guidance
        engine.generate("a red circle", "blurry", width, height, frames, 1, guidance, 1, lambda *_: None)
        self._watch.end()
        stages = {name: paper.stages[name] for name in dict.fromkeys(STAGES)}
        seconds = sum(least_seconds(kernels, self._card) for kernels in self._watch.passes)
        operations = sum(kernel.operations for kernels in self._watch.passes for kernel in kernels)
        moved = paper.memory.moved
        return Need(mode, width, height, frames, False, stages, seconds, moved, self._watch.moved_a_step, operations)


class _Watch:
    """Tells the stages of a clip apart: encoding the prompts, denoising, and decoding with all that follows.

    Encoding ends when the network that denoises has come to the card, and the text encoder has left.
    """

    def __init__(self, paper: PaperCard, pipeline: Any) -> None:
        self._paper = paper
        self.start_over()
        network = pipeline.transformer
        network.register_forward_pre_hook(lambda *_: self._passing())
        for part in network.children():
            part.register_forward_pre_hook(lambda *_: self._first_layer())
        network.register_forward_hook(lambda *_: self._passed())
        decode = pipeline.vae.decode
        pipeline.vae.decode = lambda *args, **kwargs: self._reach(2) or decode(*args, **kwargs)
        pipeline.vae.decoder.register_forward_pre_hook(lambda *_: self._reach(3))

    def start_over(self) -> None:
        """Begin a clip."""
        self._stage, self._is_passing = 0, False
        self._moved = self._kernels = 0
        self.passes: list[list[Any]] = []
        self.moved_a_step = 0
        self._paper.begin()

    def end(self) -> None:
        """End a clip."""
        self._reach(len(STAGES))

    def _reach(self, stage: int) -> None:
        while self._stage < stage:
            self._paper.end(STAGES[self._stage])
            self._stage += 1

    def _passing(self) -> None:
        self._is_passing = True

    def _first_layer(self) -> None:
        if self._is_passing:
            self._reach(1)
            self._is_passing = False
            self._moved, self._kernels = self._paper.memory.moved, len(self._paper.memory.kernels)

    def _passed(self) -> None:
        self.passes.append(self._paper.memory.kernels[self._kernels :])
        self.moved_a_step += self._paper.memory.moved - self._moved

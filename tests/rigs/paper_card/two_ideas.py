"""What the two ideas save on a card, by its data sheet: `python -m tests.rigs.paper_card.two_ideas`.

Generating small and upscaling against generating at full size, and generating slowly and interpolating against
generating at the full rate. Stable Diffusion 1.5 with AnimateDiff; the general and the compact network of Real-ESRGAN.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.cards import CARDS, least_seconds
from tests.rigs.paper_card.measure import Bench
from tests.rigs.paper_card.pipelines import published_networks, write_small_files
from tests.rigs.paper_card.upscaling import write_published
from workers.engines.realesrgan import RealEsrganEngine

CARD = CARDS["RTX 3060"]
STEPS = 16
SCALE = 4
SIDE, FRAMES, ALL_FRAMES = 512, 17, 49  # of 2 seconds at 8 and at 24 frames a second
NETWORKS = {"general": "RealESRGAN_x4plus.pth", "compact": "realesr-animevideov3.pth"}


@dataclass(frozen=True)
class Generation:
    """The least seconds of making a clip's frames: all steps, and the rest, nearly all of it decoding."""

    denoise: float
    decode: float

    @property
    def seconds(self) -> float:
        return self.denoise + self.decode


def generation(bench: Bench, side: int, frames: int, steps: int = STEPS) -> Generation:
    """Return the least time for generating a square clip."""
    need = bench.need("full", side, side, frames)
    whole = least_seconds(bench.paper.memory.kernels, CARD)
    return Generation(need.seconds * steps, whole - need.seconds)


def upscaling(files: dict[str, Path], name: str, side: int, frames: int) -> float:
    """Return the least time for upscaling the frames of a square clip 4 times."""
    with PaperCard() as card:
        engine = RealEsrganEngine({SCALE: files[name]}, device="cuda")
        engine.load()
        card.start_over()
        engine.upscale(np.zeros((1, side, side, 3), np.uint8), SCALE)
        return least_seconds(card.memory.kernels, CARD) * frames


def lines() -> Iterator[str]:
    """Yield what was found, a line each."""
    with tempfile.TemporaryDirectory() as folder:
        base = write_small_files(Path(folder) / "base")
        files = write_published(Path(folder))
        upscaled = {kind: upscaling(files, name, SIDE, FRAMES) for kind, name in NETWORKS.items()}
        with Bench(base, published_networks(), CARD) as bench:
            small = generation(bench, SIDE, FRAMES)
            large = generation(bench, SIDE * SCALE, FRAMES)
            many = generation(bench, SIDE, ALL_FRAMES)
    yield f"{CARD.name} by its data sheet, {STEPS} steps, {FRAMES} frames of {SIDE}x{SIDE}: {_words(small)}"
    yield f"direct, {SIDE * SCALE}x{SIDE * SCALE}: {_words(large)}"
    for kind, seconds in upscaled.items():
        ratio = large.seconds / (small.seconds + seconds)
        yield f"upscaling by the {kind} network: {seconds:.1f} s, so direct takes {ratio:.1f} times as long"
    yield f"{ALL_FRAMES} frames instead of {FRAMES}: {_words(many)}, {many.seconds / small.seconds:.1f} times as long"


def _words(made: Generation) -> str:
    return f"{made.denoise:.1f} s of denoising and {made.decode:.1f} s of decoding"


if __name__ == "__main__":
    for line in lines():
        sys.stdout.write(line + "\n")

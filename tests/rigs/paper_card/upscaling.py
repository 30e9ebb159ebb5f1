"""Upscaling networks on paper: the real engine, with checkpoints of the published sizes."""

from pathlib import Path

import numpy as np

from generation.catalogue.card_memory import CONTEXT, GAPS
from generation.catalogue.entries import Upscaler
from tests import upscaling
from tests.rigs.paper_card.card import PaperCard
from workers.engines.realesrgan import RealEsrganEngine

# What the catalogue's memory of an upscaler is about: the engine goes on to smaller tiles where there is less.
TILE = 256
BLOCKS = 23
COMPACT = {"features": 64, "convolutions": 16}


def write_published(folder: Path) -> dict[str, Path]:
    """Write a checkpoint of each published network, with random weights; by the names of the files in the catalogue."""
    plus = {scale: upscaling.write(folder / f"x{scale}.pth", upscaling.rrdb_state(scale, BLOCKS)) for scale in (2, 4)}
    video = upscaling.write(folder / "video.pth", upscaling.compact_state(4, **COMPACT))
    names = {2: ("RealESRGAN_x2plus.pth", "RealESRGAN_x2.pth"), 4: ("RealESRGAN_x4plus.pth", "RealESRGAN_x4.pth")}
    files = {name: plus[scale] for scale, same in names.items() for name in same}
    return {**files, "realesr-animevideov3.pth": video}


def needed_bytes(entry: Upscaler, files: dict[str, Path]) -> int:
    """Return what all networks of an entry need, with the largest at work on a tile of `TILE` pixels."""
    with PaperCard() as card:
        engine = RealEsrganEngine({scale: files[name] for scale, name in entry.scales.items()})
        engine.load()
        card.start_over()
        frame = np.zeros((1, TILE, TILE, 3), np.uint8)
        for network in engine._networks.values():
            network.enlarge(np.pad(frame, [(0, 0), (TILE, TILE), (TILE, TILE), (0, 0)]), TILE)
        return card.peak + CONTEXT + GAPS

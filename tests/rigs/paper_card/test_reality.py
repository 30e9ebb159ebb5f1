"""The rig against reality: what it counts on paper is what torch's own allocator counts for the same call.

The allocator is that of main memory, and float32 is what the CPU computes in. Convolutions on the CPU have a scratchpad
(8 of 33 MB in the larger clip below), as they have a workspace on a card; the rig sees neither.
"""

import pytest
import torch

from generation.catalogue import card_memory
from generation.catalogue.entries import BUILTIN_MODELS
from generation.catalogue.load import load_catalogue
from tests.rigs.paper_card.allocator import allocated_at_most
from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.pipelines import (
    Networks,
    engine_on,
    networks_in,
    pipeline_of,
    published_networks,
    put,
    write_small_files,
)
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.ladder import Ladder

pytestmark = pytest.mark.thorough  # a minute of one core in all

BASE, ADAPTER = BUILTIN_MODELS / "text-to-video", BUILTIN_MODELS / "motion-adapter"
TINY = networks_in(BASE, ADAPTER)


def generate(engine: AnimateDiffEngine, side: int, frames: int) -> None:
    clip = ("a red heart", "", side, side, frames, 1, 3.5, 1, lambda *_: None)
    engine.generate(*clip, scheduler={"class": "DDIMScheduler"})


def on_paper(base, networks: Networks, side: int, frames: int) -> tuple[int, int]:
    """Return the peak of the second of two clips, and the weights, in bytes: the first one fits the preview."""
    with PaperCard() as card:
        engine = engine_on(card, base, networks, torch.float32)
        generate(engine, side, frames)
        card.start_over()
        weights = card.memory.now
        generate(engine, side, frames)
        return card.peak, weights


def in_main_memory(engine: AnimateDiffEngine, folder, side: int, frames: int) -> tuple[int, int]:
    """Return the same of an engine that really computes."""
    torch.set_num_threads(1)
    generate(engine, side, frames)
    return engine.memory_bytes + allocated_at_most(lambda: generate(engine, side, frames), folder), engine.memory_bytes


@pytest.mark.parametrize(("side", "frames"), [(64, 17), pytest.param(128, 8, marks=pytest.mark.thorough)])
def test_the_peak_of_the_bundled_model_is_what_the_allocator_says(side, frames, tmp_path):
    paper, weights = on_paper(BASE, TINY, side, frames)
    real, real_weights = in_main_memory(
        AnimateDiffEngine(BASE, ADAPTER, device="cpu", ladder=Ladder()), tmp_path, side, frames
    )
    assert weights == pytest.approx(real_weights, rel=0.02)
    assert paper == pytest.approx(real, rel=0.1)
    assert paper - weights == pytest.approx(real - real_weights, rel=0.2), "without the weights, which are easy"


@pytest.mark.slow
def test_the_peak_of_the_published_networks_is_what_the_allocator_says(tmp_path):
    """Their weights are 0, which takes as much memory as any other number: 5.7 GB, and a minute."""
    base = write_small_files(tmp_path / "base")
    side, frames = 256, 8
    paper, weights = on_paper(base, published_networks(), side, frames)
    engine = AnimateDiffEngine(base, base, device="cpu", ladder=Ladder())
    put(engine, pipeline_of(base, published_networks(), torch.float32), torch.float32)
    real, real_weights = in_main_memory(engine, tmp_path, side, frames)
    assert weights == pytest.approx(real_weights, rel=0.02)
    assert paper == pytest.approx(real, rel=0.1)
    assert paper - weights == pytest.approx(real - real_weights, rel=0.2)


@pytest.mark.parametrize(("side", "frames"), [(64, 17), pytest.param(128, 8, marks=pytest.mark.thorough)])
def test_what_a_clip_needs_without_a_card_is_what_float32_takes(side, frames):
    """The table is in half precision; both count the first mode, in which a CPU begins."""
    paper, weights = on_paper(BASE, TINY, side, frames)
    tiny = load_catalogue().models["tiny"]
    need = card_memory.on_processor(tiny, side, side, frames) - card_memory.CONTEXT - card_memory.GAPS
    assert weights < need == pytest.approx(paper, rel=0.15)

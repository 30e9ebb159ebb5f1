"""Wan on paper against torch's own allocator for main memory (see tests/rigs/paper_card/test_reality.py)."""

import pytest
import torch

from tests.full_size_families import WAN_1_3B, FullSize
from tests.rigs.paper_card.allocator import allocated_at_most
from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.families import engines

SIDE, FRAMES = 128, 5


def in_precision(family: FullSize, precision: str) -> FullSize:
    """Return a family whose networks all compute in a precision."""
    for name in family.parts:
        family = family.shortened(name, precision=precision)
    return family


def generate(engine) -> None:
    engine.generate("a red circle", "blurry", SIDE, SIDE, FRAMES, 1, 5.0, 1, lambda *_: None)


def on_paper(folder, family: FullSize) -> tuple[int, int]:
    """Return the peak of a clip, and the weights, in bytes."""
    with PaperCard() as card:
        engine = engines.engine_on(card, folder, family)
        engines.fit_preview(engine)
        generate(engine)
        card.start_over()
        weights = card.memory.now
        generate(engine)
        return card.peak, weights


def in_main_memory(folder, family: FullSize, trace) -> tuple[int, int]:
    """Return the same of an engine that really computes."""
    torch.set_num_threads(1)
    engine = engines.engine_of(folder, family, device="cpu")
    engines.put(engine, engines.pipeline_of(folder, family))
    engines.fit_preview(engine)
    generate(engine)
    weights = engine.memory_bytes
    return weights + allocated_at_most(lambda: generate(engine), trace), weights


@pytest.mark.slow
def test_the_peak_of_a_narrow_wan_is_what_the_allocator_says(tmp_path):
    narrow = in_precision(
        WAN_1_3B.shortened("text_encoder", num_layers=1, vocab_size=1000, d_model=256, d_ff=512, num_heads=4)
        .shortened("transformer", num_layers=2, ffn_dim=512, num_attention_heads=2, text_dim=256)
        .shortened("vae", base_dim=32),
        "float32",
    )
    folder = engines.write_small_files(tmp_path / "model", narrow)
    paper, weights = on_paper(folder, narrow)
    real, real_weights = in_main_memory(folder, narrow, tmp_path)
    assert weights == pytest.approx(real_weights, rel=0.02)
    assert paper == pytest.approx(real, rel=0.1)


@pytest.mark.slow
def test_the_peak_of_wan_at_full_size_is_what_the_allocator_says(tmp_path):
    """But for 22 of the text encoder's 24 layers, which take 8.5 GB. Weights are 0, which takes as much memory."""
    family = WAN_1_3B.shortened("text_encoder", num_layers=2, vocab_size=1000)
    folder = engines.write_small_files(tmp_path / "model", family)
    paper, weights = on_paper(folder, family)
    real, real_weights = in_main_memory(folder, family, tmp_path)
    print(f"{weights / 1e9:.2f} GB of weights; at most {paper / 1e9:.2f} on paper, {real / 1e9:.2f} in main memory")
    assert weights == pytest.approx(real_weights, rel=0.02)
    assert paper == pytest.approx(real, rel=0.1)

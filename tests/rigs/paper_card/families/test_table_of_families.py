"""The other families on a card on paper: networks of the published size, a table that fits, modes that follow it."""

import tomllib
from functools import partial
from itertools import pairwise
from math import inf
from types import SimpleNamespace

import pytest
import torch

from generation.catalogue import card_memory
from tests.full_size_families import ALL, WAN_1_3B
from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.families import engines
from tests.rigs.paper_card.families.bench import FamilyBench
from tests.rigs.paper_card.families.table import FAMILIES
from tests.rigs.paper_card.memory import GIB
from tests.rigs.paper_card.table import USUAL_CARD
from workers.engines.families.arranging import LADDER
from workers.engines.ladder import Ladder
from workers.engines.memory import rung_index

TABLE = tomllib.loads(card_memory.TABLE.read_text())
# Clips that are not among those that the tables were fitted to.
OTHERS = {
    "wan2.1-1.3b": ((480, 832, 41), (640, 352, 17)),
    "wan2.2-5b": ((704, 1280, 33), (512, 512, 49)),
    "cogvideox-2b": ((480, 720, 33), (352, 352, 17)),
    "cogvideox-5b": ((480, 720, 33), (352, 352, 17)),
    "ltx-2b": ((704, 480, 65), (416, 416, 33)),
    "hunyuanvideo-1.5": ((480, 832, 25), (640, 640, 49)),
}


def model_of(family):
    """Return what the table needs to know of a model of a family."""
    size = {"native_size": 480, "native_sizes": {}, "native_fps": family.fps}
    return SimpleNamespace(family=family.name, memory_gb=0, is_gguf=False, **size)


@pytest.mark.thorough
@pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)
def test_the_networks_have_as_many_parameters_as_the_published_files(family):
    for name, part in family.parts.items():
        network = engines.on_meta(part, torch.float32)
        assert sum(tensor.numel() for tensor in network.parameters()) == part.parameters, name


@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.family.name)
def test_every_memory_mode_is_in_the_table_in_the_order_of_the_ladder(one):
    modes = card_memory.modes(model_of(one.family), "early")
    assert [mode.name for mode in modes] == [rung.name for rung in LADDER], "run `make memory-table`"
    assert [mode.is_exact for mode in modes] == [rung.is_exact for rung in LADDER]


@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.family.name)
def test_of_the_modes_that_keep_the_clip_each_is_slower_and_needs_less(one):
    """Or it would have no place on the ladder. Of speeds, the last digit is noise."""
    exact = card_memory.modes(model_of(one.family), "never")
    for clip in one.clips:
        needs = [mode.bytes(*clip) for mode in exact]
        assert needs == sorted(needs, reverse=True)
    speeds = [mode.speed for mode in exact]
    assert speeds[0] == 1 and all(speed >= slower - 0.015 for speed, slower in pairwise(speeds))
    large = one.usual
    assert min(mode.bytes(*large) for mode in card_memory.modes(model_of(one.family), "last")) <= min(
        mode.bytes(*large) for mode in exact
    )


@pytest.mark.slow
@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.family.name)
def test_the_table_tells_what_other_clips_need(one, tmp_path):
    with FamilyBench(engines.write_small_files(tmp_path, one.family), one.family, USUAL_CARD) as bench:
        for clip in OTHERS[one.family.name]:
            told, least = card_memory.needs(model_of(one.family), *clip, inexact="early"), inf
            for mode, need in told.items():
                if need > least:  # never chosen, like tiles for a clip that is smaller than one
                    continue
                least = need
                measured = bench.need(mode, *clip).peak + card_memory.CONTEXT + card_memory.GAPS
                assert 0.97 * measured <= need <= 1.15 * measured, (mode, clip)


@pytest.mark.slow
@pytest.mark.parametrize("one", FAMILIES, ids=lambda one: one.family.name)
def test_the_table_tells_how_many_operations_a_larger_clip_takes(one, tmp_path):
    with FamilyBench(engines.write_small_files(tmp_path, one.family), one.family, USUAL_CARD) as bench:
        small, large = (bench.need("full", *clip) for clip in (one.clips[0], one.usual))
    shares = [card_memory.togetherness(one.family.name, need.volume[1]) * need.volume[1] for need in (small, large)]
    assert shares[1] / shares[0] == pytest.approx(large.operations / small.operations, rel=0.2)


def generate(engine, width, height, frames, steps=1):
    return engine.generate("a red circle", "blurry", width, height, frames, steps, 5.0, 1, lambda *_: None)


@pytest.mark.slow
@pytest.mark.parametrize("gigabytes", (6, 8, 12, 16, 24))
def test_on_every_card_the_chosen_mode_fits_at_the_first_attempt(gigabytes, tmp_path):
    family = WAN_1_3B
    needs = partial(card_memory.needs, model_of(family), inexact="last")
    with PaperCard(gigabytes * GIB - card_memory.CONTEXT) as card:
        folder = engines.write_small_files(tmp_path, family)
        engine = engines.engine_on(card, folder, family, needs=needs, inexact="last")
        engines.fit_preview(engine)
        assert generate(engine, 480, 480, 33).shape == (33, 480, 480, 3)
        assert card.memory.refused == 0
        assert engine._rung.name == card_memory.choose_mode(needs(480, 480, 33), gigabytes * GIB)


# A narrower Wan, whose clip takes seconds on paper.
SMALLER = (
    WAN_1_3B.shortened("text_encoder", num_layers=4, vocab_size=1000)
    .shortened("transformer", num_layers=4)
    .shortened("vae", base_dim=32)
)


@pytest.fixture
def folder(tmp_path):
    return engines.write_small_files(tmp_path, SMALLER)


@pytest.mark.thorough
def test_a_full_card_makes_the_decoder_use_tiles_and_what_was_denoised_is_kept(folder):
    """By the allocator's errors alone: nothing was calculated for this network."""
    with FamilyBench(folder, SMALLER, USUAL_CARD) as bench:
        blocks, tiles = (bench.need(mode, 384, 384, 9) for mode in ("blocks", "tiles"))
        assert tiles.stages["decode"] < blocks.stages["decode"]
        engine, card = bench._engine, bench.paper
        engine._clear()
        engine._first_rung, engine._ladder = rung_index("blocks", engine._rungs), Ladder()
        card.start_over()
        card.memory.budget = (tiles.stages["decode"] + blocks.stages["decode"]) // 2
        assert max(blocks.stages["denoise"], blocks.stages["text"]) < card.memory.budget
        passes = []
        engine._pipeline.transformer.proj_out.register_forward_pre_hook(lambda *_: passes.append(engine._rung.name))
        assert generate(engine, 384, 384, 9).shape == (9, 384, 384, 3)
        assert card.memory.refused > 0
        assert engine._rung.name == "tiles"
        assert passes == ["blocks", "blocks"], "one step, with and without the prompt"


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(rung.name, marks=pytest.mark.thorough if rung in (LADDER[0], LADDER[-1]) else pytest.mark.slow)
        for rung in LADDER
    ],
)
def test_each_stage_holds_what_its_mode_allows(folder, mode):
    with FamilyBench(folder, SMALLER, USUAL_CARD) as bench:
        stages, engine = bench.need(mode, 256, 256, 5).stages, bench._engine
        engine._clear()
        assert bench.paper.memory.now < engine.memory_bytes / 100, "nothing stays on the card"
        text, network = engine._pipeline.text_encoder, engine._pipeline.transformer
        whole = {part: sum(tensor.nbytes for tensor in part.parameters()) for part in (text, network)}
        if mode == "full":
            assert min(stages.values()) > engine.memory_bytes
            return
        assert max(stages.values()) < engine.memory_bytes
        assert (stages["text"] > whole[text]) == (mode == "offload")
        assert (stages["denoise"] > whole[network]) == (mode == "offload")


@pytest.mark.thorough
def test_in_half_precision_some_layers_stay_in_full(folder):
    with PaperCard() as card:
        engine = engines.engine_on(card, folder, SMALLER)
        dtypes = {name: tensor.dtype for name, tensor in engine._pipeline.transformer.named_parameters()}
        assert dtypes["blocks.0.attn1.to_q.weight"] == torch.bfloat16
        assert dtypes["condition_embedder.time_embedder.linear_1.weight"] == torch.float32
        assert engine._pipeline.vae.dtype == torch.float32

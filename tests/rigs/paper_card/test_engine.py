"""The text-to-video engine on a card on paper: its real code, its ladder, and the mode that it begins with."""

from functools import partial

import numpy as np
import pytest
import torch

from generation.catalogue import card_memory
from generation.catalogue.entries import BUILTIN_MODELS
from generation.catalogue.load import load_catalogue
from generation.domain.errors import RenderError
from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.memory import GIB
from tests.rigs.paper_card.pipelines import engine_on, fit_preview, networks_in, published_networks, write_small_files
from workers.engines.memory import LADDER

pytestmark = pytest.mark.thorough  # a minute of one core in all

BASE = BUILTIN_MODELS / "text-to-video"
TINY = networks_in(BASE, BUILTIN_MODELS / "motion-adapter")
MEGABYTE = 2**20
SD15 = load_catalogue().models["stable-diffusion-v1-5"]


def generate(engine, side=64, frames=17):
    return engine.generate(
        *("a red heart", "", side, side, frames, 1, 3.5, 1, lambda *_: None), scheduler={"class": "DDIMScheduler"}
    )


def test_a_clip_is_made_in_half_precision_and_nothing_but_the_weights_stays_on_the_card():
    with PaperCard() as card:
        engine = engine_on(card, BASE, TINY)
        assert generate(engine).shape == (17, 64, 64, 3)
        assert engine._pipeline.unet.dtype == torch.float16
        assert card.memory.now == pytest.approx(engine.memory_bytes, rel=0.02)
        assert set(card.stages) >= {"text", "denoise", "decode"}


def test_the_ladder_is_walked_down_until_a_mode_fits_by_the_errors_of_a_full_card():
    with PaperCard() as card:
        engine = engine_on(card, BASE, TINY)
        fit_preview(engine)
        card.memory.budget = engine.memory_bytes + 3 * MEGABYTE  # for the weights of all networks, but no clip besides
        with_less = generate(engine)
        assert card.memory.refused >= 2
        assert card.peak <= card.memory.budget
        assert engine._rung.offload
        assert with_less.shape == (17, 64, 64, 3)


def test_a_card_that_is_too_small_for_every_mode_says_so():
    with PaperCard(budget=4 * MEGABYTE) as card:
        engine = engine_on(card, BASE, TINY)
        with pytest.raises(RenderError) as caught:
            generate(engine)
        assert caught.value.id == "out-of-memory"
        assert engine._rung == LADDER[-1], "the others need more for their weights alone, and are not tried"


@pytest.mark.parametrize("mode", ["8-bit", "blocks", "tiles"])
def test_a_mode_that_keeps_its_weights_elsewhere_leaves_no_more_on_the_card_than_it_should(mode):
    with PaperCard() as card:
        engine = engine_on(card, BASE, TINY, inexact="early", memory_mode=mode)
        fit_preview(engine)
        size = engine.memory_bytes
        assert generate(engine).shape == (17, 64, 64, 3)
        assert engine.memory_bytes == size
        assert card.stages["denoise"] < size
        engine.park()
        assert card.memory.now < size / 100, "something other than the scheduler's numbers"


GIGABYTES = (4, 6, 8, 12, 16, 24)


def full_size_engine(card, folder, **options):
    engine = engine_on(card, write_small_files(folder), published_networks(), **options)
    fit_preview(engine)
    return engine


@pytest.mark.slow
@pytest.mark.parametrize("frames", [17, 33])
@pytest.mark.parametrize("gigabytes", GIGABYTES)
def test_on_every_card_the_chosen_mode_fits_at_the_first_attempt(gigabytes, frames, tmp_path):
    """The full-size networks, by the catalogue's own figures."""
    with PaperCard(gigabytes * GIB - card_memory.CONTEXT) as card:
        engine = full_size_engine(card, tmp_path, needs=partial(card_memory.needs, SD15))
        assert generate(engine, 512, frames).dtype == np.uint8
        assert card.memory.refused == 0
        assert engine._rung.name == card_memory.choose_mode(card_memory.needs(SD15, 512, 512, frames), gigabytes * GIB)


@pytest.mark.slow
@pytest.mark.parametrize("gigabytes", GIGABYTES)
def test_where_nothing_was_calculated_the_ladder_is_walked_to_the_first_mode_that_fits(gigabytes, tmp_path):
    """By the errors of a full card, or by the weights alone."""
    with PaperCard(gigabytes * GIB - card_memory.CONTEXT - card_memory.GAPS) as card:
        engine = full_size_engine(card, tmp_path)
        assert generate(engine, 512, 17).dtype == np.uint8
        assert card.peak <= card.memory.budget
        assert engine._rung.name == card_memory.choose_mode(card_memory.needs(SD15, 512, 512, 17), gigabytes * GIB)
        assert bool(card.memory.refused) == (engine._rung.name not in ("full", "offload"))

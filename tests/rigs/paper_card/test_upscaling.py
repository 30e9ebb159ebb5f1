"""The upscaling engine on a card on paper: it keeps to the card's memory, and the catalogue says what it needs."""

import numpy as np
import pytest

from generation.catalogue.entries import BUILTIN_MODELS
from generation.catalogue.load import load_catalogue
from tests import upscaling
from tests.rigs.paper_card.card import PaperCard
from tests.rigs.paper_card.memory import GIB
from tests.rigs.paper_card.upscaling import needed_bytes, write_published
from workers.engines.realesrgan import RealEsrganEngine

UPSCALERS = load_catalogue().upscalers
MEGABYTE = 2**20


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published(tmp_path_factory.mktemp("upscalers"))


@pytest.mark.thorough
@pytest.mark.parametrize(
    "entry", [entry for entry in UPSCALERS.values() if not entry.builtin], ids=lambda entry: entry.id
)
def test_the_catalogue_says_what_a_published_upscaler_needs(entry, published):
    assert entry.memory_gb == round(needed_bytes(entry, published) / 1e9, 1)


def test_the_catalogue_says_what_the_bundled_upscaler_needs(tmp_path):
    import torch
    from safetensors.torch import load_file

    entry, files = UPSCALERS["tiny-esrgan"], {}
    for name in entry.scales.values():
        files[name] = tmp_path / f"{name}.pth"
        torch.save({"params": load_file(BUILTIN_MODELS / "real-esrgan" / name)}, files[name])
    assert entry.memory_gb == round(needed_bytes(entry, files) / 1e9, 1)


def test_half_precision_is_chosen_by_the_card_and_a_full_card_makes_smaller_tiles(tmp_path):
    path = upscaling.write(tmp_path / "x4.pth", upscaling.rrdb_state(4, 1))
    frames = np.zeros((2, 192, 192, 3), np.uint8)
    batches = {}
    for budget in (GIB // 4, 8 * GIB):
        with PaperCard(budget) as card:
            engine = RealEsrganEngine({4: path})
            engine.load()
            mode = engine._networks[4].first_mode(192, 192)
            assert engine._networks[4].dtype.itemsize == 2
            assert engine.upscale(frames, 4).shape == (2, 768, 768, 3)
            assert card.peak <= budget
            batches[budget] = mode
    assert batches[GIB // 4].tile and not batches[8 * GIB].tile

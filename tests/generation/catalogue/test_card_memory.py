"""What a clip needs on a card: the catalogue's figures are the calculated ones, and a mode is chosen by them."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from generation.catalogue import card_memory
from generation.catalogue.load import load_catalogue
from tests.rigs.paper_card import film
from workers.engines.families import arranging
from workers.engines.memory import LADDER

CATALOGUE = load_catalogue()
MODELS = CATALOGUE.models
SD15 = MODELS["stable-diffusion-v1-5"]
GB = card_memory.GB


# Nothing can be calculated for an operator's own families. Ours with AnimateDiff all have a table.
CALCULATED = [model for model in MODELS.values() if model.is_animatediff or card_memory.usual_gb(model) is not None]


@pytest.mark.parametrize("model", CALCULATED, ids=lambda model: model.id)
def test_the_catalogue_says_what_a_model_needs(model):
    assert model.memory_gb == card_memory.usual_gb(model), (
        "run `make memory-table`, and put its figure into the catalogue"
    )
    assert card_memory.modes(model)


def test_the_catalogue_says_what_interpolation_needs():
    """Of one pair at the size at which the large models make frames."""
    assert CATALOGUE.interpolators["film"].memory_gb == round(film.needed_bytes(512, 512) / GB, 1)
    idle = (card_memory.CONTEXT + card_memory.GAPS) / GB
    assert CATALOGUE.interpolators["tiny-film"].memory_gb == pytest.approx(idle)


@pytest.mark.parametrize("lora", CATALOGUE.loras.values(), ids=lambda lora: lora.id)
def test_a_lora_needs_what_its_file_takes(lora):
    assert 0 <= lora.memory_gb * 1000 - lora.download_mb < 100


def test_a_clip_needs_more_the_larger_and_the_longer_it_is_and_less_without_guidance():
    needs = [card_memory.needs(SD15, *clip) for clip in ((256, 256, 17), (512, 512, 17), (512, 512, 81))]
    for mode in needs[0]:
        assert needs[0][mode] <= needs[1][mode] <= needs[2][mode]
        assert card_memory.needs(SD15, 512, 512, 17, guided=False)[mode] <= needs[1][mode]
    assert needs[0]["full"] < needs[1]["full"] < needs[2]["full"]


@pytest.mark.parametrize("model", CALCULATED, ids=lambda model: model.id)
@pytest.mark.parametrize("inexact", card_memory.INEXACT)
def test_pages_and_engines_know_the_same_modes_in_the_same_order(model, inexact):
    found = card_memory.modes(model, inexact)
    rungs = card_memory.allowed(LADDER if model.is_animatediff else arranging.LADDER, inexact)
    assert [(mode.name, mode.is_exact) for mode in found] == [(rung.name, rung.is_exact) for rung in rungs]
    if model.is_animatediff:  # other pipelines compute guidance in one way, whatever the mode
        assert [mode.two_passes for mode in found] == [rung.two_passes for rung in rungs]


@pytest.mark.parametrize("inexact", card_memory.INEXACT)
def test_each_mode_is_slower_than_the_one_before_and_the_last_one_needs_least(inexact):
    """Or it would have no place on the ladder, or another one. Of speeds, the last digit is noise."""
    found = card_memory.modes(SD15, inexact)
    assert all(mode.speed >= slower.speed - 0.015 for mode, slower in pairwise(found))
    for clip in ((512, 512, 17), (912, 512, 65)):
        needs = [mode.bytes(*clip) for mode in found]
        assert needs[-1] == min(needs)
        assert all(need > less for need, less in pairwise(needs[1:]) if less != needs[-1])


def test_in_two_passes_a_clip_without_guidance_needs_as_much_as_one_with():
    needs, without = (card_memory.needs(SD15, 512, 512, 33, guided=guided) for guided in (True, False))
    assert without["two-passes"] == needs["two-passes"]
    assert without["full"] < needs["full"]


def test_an_operators_own_figure_counts_instead_of_the_table():
    """It may be another network of the same family."""
    assert card_memory.needs(replace(SD15, memory_gb=20), 512, 512, 17) == {}
    assert card_memory.needs(replace(SD15, memory_gb=0), 512, 512, 17) == card_memory.needs(SD15, 512, 512, 17)
    assert card_memory.needs(replace(SD15, family="flux"), 512, 512, 17) == {}


@pytest.mark.parametrize(
    "said",
    [
        "native_sizes = {}",
        "native_sizes = { '16:9' = '1280x720' }",
        "native_size = 720",
        "native_fps = 24",
        "memory_gb = 19.9",  # as our entry said before it had native sizes, which others may have copied
    ],
)
@pytest.mark.parametrize("entry", ["wan2-1-t2v-1-3b]", "mine]\nvariant_of = 'wan2-1-t2v-1-3b'\nlabel = 'Mine'"])
def test_an_entry_for_other_sizes_keeps_the_memory_modes_of_its_family(tmp_path, entry, said):
    path = tmp_path / "mine.toml"
    path.write_text(f"[models.{entry}\n{said}\n")
    model = load_catalogue(path).models[entry.partition("]")[0]]
    asked = (832, 480, 81)
    assert card_memory.needs(model, *asked) == card_memory.needs(MODELS["wan2-1-t2v-1-3b"], *asked) != {}


def test_the_figure_of_a_family_without_a_table_stays_with_other_sizes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[models.hunyuanvideo-1-5]\nfamily = 'mine'\nnative_size = 720\n")
    ours = MODELS["hunyuanvideo-1-5"].memory_gb
    assert load_catalogue(path).models["hunyuanvideo-1-5"].memory_gb == ours > 0


@pytest.mark.parametrize(
    ("free", "mode"), [(9, "fast"), (5, "fast"), (4, "slow"), (3, "slow"), (2, "slowest"), (1, "slowest")]
)
def test_the_fastest_mode_that_fits_is_chosen_and_the_most_economical_if_none_does(free, mode):
    assert card_memory.choose_mode({"fast": 5, "slow": 3, "slowest": 2}, free) == mode


def test_where_nothing_is_known_no_mode_is_chosen():
    assert card_memory.choose_mode({}, 10**12) is None


@pytest.mark.parametrize("clip", [(256, 256, 8), (512, 512, 17), (512, 512, 81)])
def test_without_a_card_a_clip_needs_all_weights_in_full_precision(clip):
    """5.7 GB of them (tests/rigs/paper_card/test_reality.py), and what it works with in the mode that it begins in."""
    need, on_card = card_memory.on_processor(SD15, *clip), card_memory.needs(SD15, *clip)
    assert max(5.7 * GB, 2 * on_card["full"] - GB) < need < 2 * on_card["full"]
    assert card_memory.on_processor(replace(SD15, family="flux"), *clip) == 0


def video_model(family, **changes):
    """Return a model whose decoder sees all frames, by the table of a family."""
    return replace(SD15, family=family, pipeline="WanPipeline", adapter=None, memory_gb=0, **changes)


def test_encoding_a_prompt_can_be_what_needs_most_and_is_the_same_for_every_clip():
    """A text encoder of 5.7 billion parameters, beside a network of 1.4 that makes clips in 16 bits."""
    needs = [card_memory.needs(video_model("wan2.1-1.3b"), *clip) for clip in ((256, 256, 5), (480, 480, 33))]
    assert needs[0]["offload"] == needs[1]["offload"] > 11.3 * GB
    assert needs[0]["blocks"] < 4 * GB
    assert needs[0]["full"] < needs[1]["full"], "where everything is on the card, the clip comes on top"


def test_a_video_decoder_needs_more_for_more_frames():
    short, long = (card_memory.needs(video_model("wan2.1-1.3b"), 832, 480, frames) for frames in (33, 81))
    assert short["full"] < long["full"]


def test_the_guide_says_what_the_other_families_need():
    guide = (Path(__file__).resolve().parents[3] / "docs" / "models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w-]+)` \| (\d+)x(\d+), (\d+) frames \| (.+) \|$", guide, re.MULTILINE)
    assert len(rows) == 6
    for id, *clip, figures in rows:
        needs = card_memory.needs(MODELS[id], *map(int, clip), inexact="early")
        told = [f"{needs[mode] / GB:.1f}" for mode in ("full", "offload", "blocks", "tiles")]
        assert figures.split(" | ") == told, id

"""The table that pages and engines go by: how it is fitted, and that it belongs to this code."""

import tomllib
from types import SimpleNamespace

import pytest

from generation.catalogue import card_memory
from generation.catalogue.load import load_catalogue
from tests.rigs.paper_card.measure import Bench
from tests.rigs.paper_card.pipelines import write_small_files
from tests.rigs.paper_card.table import FAMILIES, USUAL_CARD, Family, key, plane_above, table_in, toml
from workers.engines.animatediff.engine import AnimateDiffEngine
from workers.engines.diffusion.parts import weight_bytes
from workers.engines.memory import LADDER

pytestmark = pytest.mark.thorough  # a minute of one core in all

TABLE = tomllib.loads(card_memory.TABLE.read_text())
MODEL = {"tiny": "tiny", "sd15": "stable-diffusion-v1-5"}
# Clips that are not among those that the table was fitted to.
OTHERS = {
    "tiny": ((96, 64, 12), (64, 64, 40)),
    "sd15": ((512, 768, 12), (384, 384, 24)),
}


def test_the_plane_is_the_closest_one_that_no_point_exceeds():
    assert plane_above([([0, 0], 10), ([1, 0], 12), ([0, 1], 13), ([1, 1], 15)]) == [11, 2.0, 3.0]
    points = [(0, 10), (1, 15), (2, 14)]
    offset, slope = plane_above([([x], y) for x, y in points])
    assert all(offset + slope * x >= y for x, y in points)


def test_nothing_needs_less_for_being_larger():
    assert plane_above([([0], 10), ([1], 8), ([2], 9)]) == [11, 0.0]


def test_the_tables_of_one_family_can_be_written_and_the_others_kept():
    names = [*TABLE]
    text = card_memory.TABLE.read_text()
    assert toml({name: table_in(text, name) for name in names}) == text
    other = toml({"a": table_in(text, "tiny").replace("tiny", "a"), "a.b": f"[{key('a.b')}.modes.full]\nspeed = 1"})
    assert [*tomllib.loads(other)] == ["a", "a.b"]
    assert tomllib.loads(table_in(other, "a"))["a"] == TABLE["tiny"]
    assert tomllib.loads(table_in(other, "a.b")) == {"a.b": {"modes": {"full": {"speed": 1}}}}
    assert table_in(other, "b") == ""


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_memory_mode_is_in_the_table_in_the_order_of_the_ladder(family):
    assert list(TABLE[family.name]["modes"]) == [rung.name for rung in LADDER], "run `make memory-table`"


def test_blocks_in_main_memory_cross_the_bus_twice_a_step_and_only_they_do():
    tiny = FAMILIES[0]
    with Bench(tiny.base, tiny.networks(), USUAL_CARD, context_length=tiny.context) as bench:
        split, blocks = (bench.need(mode, 64, 64, 4) for mode in ("split", "blocks"))
        bench._engine._clear()
        unet = bench._engine._pipeline.unet
        size = sum(weight_bytes(part) for part in (unet.down_blocks, unet.mid_block, unet.up_blocks))
    assert split.moved_a_step == 0
    assert blocks.moved_a_step == 2 * size


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_the_table_knows_how_many_frames_the_engine_sees_at_once(family):
    engine = AnimateDiffEngine("base", context_length=family.context)
    config = SimpleNamespace(motion_max_seq_length=family.networks().adapter["motion_max_seq_length"])
    engine._pipeline = SimpleNamespace(motion_adapter=SimpleNamespace(config=config))
    window = TABLE[family.name]["window"]
    assert engine._window(window) is None, "run `make memory-table`"
    assert engine._window(window + 1) is not None, "run `make memory-table`"


def test_every_family_of_the_catalogue_is_in_the_table():
    """Those whose models make clips by themselves are in tests/rigs/paper_card/families."""
    catalogue = load_catalogue()
    assert {model.family for model in catalogue.models.values() if model.is_animatediff} <= set(TABLE)


def _check(family: Family, folder, modes) -> None:
    model = load_catalogue().models[MODEL[family.name]]
    base = family.base or write_small_files(folder)
    with Bench(base, family.networks(), USUAL_CARD, context_length=family.context) as bench:
        for clip in OTHERS[family.name]:
            told = card_memory.needs(model, *clip, inexact="early")
            for mode in modes:
                measured = bench.need(mode, *clip).peak + card_memory.CONTEXT + card_memory.GAPS
                assert 0.97 * measured <= told[mode] <= 1.15 * measured, (mode, clip)


@pytest.mark.thorough
def test_the_table_tells_what_other_clips_of_the_bundled_model_need(tmp_path):
    _check(FAMILIES[0], tmp_path, ["full", "blocks"])


@pytest.mark.slow
def test_the_table_tells_what_other_clips_of_the_published_models_need(tmp_path):
    _check(FAMILIES[1], tmp_path, [rung.name for rung in LADDER])

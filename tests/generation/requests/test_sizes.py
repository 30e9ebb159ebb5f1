"""Conversion between sizes and pairs of short side and aspect ratio."""

import pytest

from generation.catalogue.load import load_catalogue
from generation.requests.sizes import ASPECTS, CUSTOM, aspect_of, largest_short_side_of, size_of, suggested_short_sides

TINY = load_catalogue().models["tiny"]


@pytest.mark.parametrize(
    ("aspect", "size"),
    [("1:1", (256, 256)), ("16:9", (456, 256)), ("9:16", (256, 456)), ("3:2", (384, 256)), ("2:3", (256, 384))],
)
def test_an_aspect_ratio_gives_the_longer_side(aspect, size):
    assert size_of(256, aspect) == size


@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("short", [128, 130, 254, 256, 512, 1080, 2304])
def test_a_size_maps_back_to_its_aspect_ratio_and_short_side(aspect, short):
    width, height = size_of(short, aspect)
    assert min(width, height) == short
    assert width % 2 == height % 2 == 0
    assert aspect_of(width, height) == aspect


def test_any_other_size_is_custom():
    assert aspect_of(500, 300) == CUSTOM


def test_the_operators_longest_side_bounds_the_short_one():
    for aspect in ASPECTS:
        largest = largest_short_side_of(aspect, TINY, 600)
        assert max(size_of(largest, aspect)) <= 600 < max(size_of(largest + 8, aspect)) or largest == 512


def test_the_model_bounds_the_short_side():
    assert largest_short_side_of("16:9", TINY, 4096) == 512


def test_every_native_size_and_its_double_are_suggested():
    hunyuan = load_catalogue().models["hunyuanvideo-1-5"]
    assert {480, 512, 640, 960, 1024, 1280} <= set(suggested_short_sides(hunyuan, 2048))
    assert suggested_short_sides(TINY, 512) == [128, 256, 384, 512]

"""The shape of a clip decides which of a model's native sizes it is made at."""

from itertools import pairwise

import pytest

from generation.catalogue.load import load_catalogue
from generation.domain.shapes import ASPECTS, has_aspect, native_size_for
from generation.requests.sizes import size_of

MODELS = [model for model in load_catalogue().models.values() if model.native_sizes]


@pytest.mark.parametrize("aspect", ASPECTS)
def test_every_size_of_the_form_has_its_shape_and_no_other(aspect):
    """Although its longer side is rounded to a multiple of 8."""
    for short in range(128, 2050, 2):
        assert [other for other in ASPECTS if has_aspect(*size_of(short, aspect), other)] == [aspect]


def test_no_size_has_two_shapes():
    ratios = sorted(across / down for across, down in ASPECTS.values())
    assert all(wider / narrower > 1.05**2 for narrower, wider in pairwise(ratios))


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.id)
def test_each_native_size_is_the_one_for_its_own_shape(model):
    for aspect, size in model.native_sizes.items():
        assert native_size_for(*size, model.native_sizes) == size
        assert native_size_for(*size_of(1080, aspect), model.native_sizes) == size


def test_sizes_between_the_shapes_have_none():
    sizes = {aspect: size_of(480, aspect) for aspect in ASPECTS}
    assert native_size_for(1920, 1080, sizes) == sizes["16:9"]
    for size in [(640, 480), (2000, 480), (480, 640), (800, 480)]:
        assert native_size_for(*size, sizes) is None

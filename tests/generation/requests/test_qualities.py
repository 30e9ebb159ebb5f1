"""The qualities draft, standard and best, on the shipped model and on full-size ones."""

import pytest

from generation.catalogue.load import load_catalogue
from generation.domain.plan import plan
from generation.requests.qualities import BEST, DRAFT, QUALITIES, STANDARD, Quality, matching, quality_of
from generation.requests.request import Limits, parse
from generation.requests.sizes import ASPECTS, CUSTOM, size_of
from tests.other_families import CATALOGUE as OTHER_FAMILIES

CATALOGUE = load_catalogue()
TINY, BIG = CATALOGUE.models["tiny"], CATALOGUE.models["dreamshaper-8"]


def planned(quality, model, aspect="1:1", max_side=4096):
    found = quality_of(quality, model, aspect=aspect, max_side=max_side)
    width, height = size_of(found.short_side, aspect)
    data = {"prompt": "x", "width": width, "height": height, "fps": found.fps, "steps": found.steps, "model": model.id}
    request = parse(data, CATALOGUE, Limits(max_side=max_side))
    return request, plan(request, model)


@pytest.mark.parametrize("max_side", [256, 2048, 4096])
@pytest.mark.parametrize("aspect", ASPECTS)
@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("model", CATALOGUE.models.values(), ids=lambda model: model.id)
def test_every_quality_can_be_rendered_on_every_model_in_every_shape(model, quality, aspect, max_side):
    request, _plan = planned(quality, model, aspect, max_side)
    assert max(request.width, request.height) <= max_side


@pytest.mark.parametrize("model", [TINY, BIG], ids=["tiny", "big"])
def test_a_draft_is_a_fraction_of_the_work(model):
    def work(quality):
        request, found = planned(quality, model)
        return found.base_frames * found.base_width * found.base_height * request.steps, found.frames * found.width**2

    assert work(DRAFT)[0] <= 0.4 * work(STANDARD)[0]
    assert work(DRAFT)[1] <= 0.2 * work(STANDARD)[1]
    assert work(STANDARD) < work(BEST)


def test_on_the_model_that_ships_a_draft_draws_the_same_noise_as_the_full_clip():
    shapes = {
        (found.base_width, found.base_height, found.base_frames) for _, found in (planned(q, TINY) for q in QUALITIES)
    }
    assert len(shapes) == 1


def test_a_few_step_adapter_keeps_the_steps_that_it_was_made_for():
    adapter = CATALOGUE.adapters["animatediff-lightning-4step"]
    assert {quality_of(quality, BIG, adapter).steps for quality in QUALITIES} == {4}


@pytest.mark.parametrize("quality", QUALITIES)
def test_values_are_recognised_as_their_quality(quality):
    options = {"aspect": "16:9", "max_side": 2048}
    assert matching(quality_of(quality, TINY, **options), TINY, None, **options) == quality


def test_other_values_match_no_quality():
    assert matching(Quality(200, 24, 16), TINY, None, aspect="1:1", max_side=2048) == CUSTOM
    assert matching(quality_of(DRAFT, TINY), TINY, None, aspect=CUSTOM, max_side=2048) == CUSTOM


@pytest.fixture
def other_models(tmp_path):
    path = tmp_path / "families.toml"
    path.write_text(OTHER_FAMILIES)
    return load_catalogue(path).models


def test_a_model_that_needs_no_interpolation_for_the_standard_needs_none_for_a_draft(other_models):
    waves, clouds = other_models["waves"], other_models["clouds"]
    assert [quality_of(quality, waves) for quality in QUALITIES] == [
        Quality(256, 16, 20),
        Quality(480, 16, 50),
        Quality(960, 32, 75),
    ]
    assert {quality_of(quality, clouds).fps for quality in QUALITIES} == {25}


def test_few_step_models_keep_the_steps_that_they_were_distilled_for(other_models):
    for id, steps in (("waves-fast", 4), ("clouds", 8)):
        assert {quality_of(quality, other_models[id]).steps for quality in QUALITIES} == {steps}


def test_the_size_of_a_draft_is_one_that_the_network_can_make(other_models):
    for model in other_models.values():
        assert quality_of(DRAFT, model).short_side % model.frame_rule.side_multiple == 0


def test_where_a_draft_is_the_whole_clip_it_is_not_called_a_draft(tmp_path):
    path = tmp_path / "families.toml"
    path.write_text(OTHER_FAMILIES.replace("native_size = 512\nmin_size = 256", "native_size = 512\nmin_size = 512"))
    clouds = load_catalogue(path).models["clouds"]
    assert quality_of(DRAFT, clouds) == quality_of(STANDARD, clouds)
    assert matching(quality_of(DRAFT, clouds), clouds, None, aspect="1:1", max_side=2048) == STANDARD


@pytest.mark.parametrize(
    ("aspect", "sides"), [("1:1", [480, 640, 1280]), ("3:2", [480, 512, 1024]), ("16:9", [480, 480, 960])]
)
def test_a_quality_follows_what_the_model_was_trained_at_for_the_shape(aspect, sides):
    model = CATALOGUE.models["hunyuanvideo-1-5"]
    assert [quality_of(quality, model, aspect=aspect).short_side for quality in QUALITIES] == sides


@pytest.mark.parametrize(
    "model", [model for model in CATALOGUE.models.values() if model.native_sizes], ids=lambda m: m.id
)
def test_the_standard_quality_is_made_at_the_native_size_and_not_upscaled(model):
    for aspect, size in model.native_sizes.items():
        _request, made = planned(STANDARD, model, aspect)
        assert ((made.base_width, made.base_height), made.upscale) == (size, 1)

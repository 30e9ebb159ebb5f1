"""Draft, standard and best have the expected values on the bundled model and on large ones."""

import pytest

from generation.catalogue.load import load_catalogue
from generation.domain.plan import plan
from generation.requests.qualities import BEST, DRAFT, QUALITIES, STANDARD, Quality, matching, quality_of
from generation.requests.request import Limits, parse
from generation.requests.sizes import ASPECTS, CUSTOM, size_of

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
def test_values_know_which_quality_they_are(quality):
    options = {"aspect": "16:9", "max_side": 2048}
    assert matching(quality_of(quality, TINY, **options), TINY, None, **options) == quality


def test_other_values_are_none_of_them():
    assert matching(Quality(200, 24, 16), TINY, None, aspect="1:1", max_side=2048) == CUSTOM
    assert matching(quality_of(DRAFT, TINY), TINY, None, aspect=CUSTOM, max_side=2048) == CUSTOM

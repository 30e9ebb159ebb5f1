"""The next smaller request: it uses less memory where memory ran out, and is as close as it can be."""

from dataclasses import replace

import pytest

from generation.domain.plan import plan
from generation.domain.states import Stage
from generation.requests import available
from generation.requests.request import RenderRequest, parse
from generation.requests.smaller import ENOUGH, needs, smaller

LIMITS = available.limits()


@pytest.fixture
def model():
    """Return a model of the size of Stable Diffusion 1.5."""
    return replace(available.catalogue().models["tiny"], native_size=512, min_size=64)


def asked(**changes) -> RenderRequest:
    width, height = map(int, changes.pop("size", "512x512").split("x"))
    data = {"prompt": "a red heart", "size": "512x512", "seconds": 5, "fps": 8, **changes}
    return replace(parse(data, available.catalogue(), LIMITS), width=width, height=height)


def said(request):
    return None if request is None else (request.width, request.height, request.seconds)


def test_a_smaller_side_comes_before_a_shorter_clip(model):
    assert said(smaller(asked(), model, LIMITS, Stage.GENERATE)) == (384, 384, 5)


def test_the_proportions_stay(model):
    assert said(smaller(asked(size="912x512"), model, LIMITS, Stage.GENERATE)) == (680, 384, 5)
    odd = smaller(asked(size="700x500"), model, LIMITS, Stage.GENERATE)
    assert odd.width / odd.height == pytest.approx(1.4, rel=0.01)


def test_a_larger_clip_that_is_generated_just_as_small_is_no_cure(model):
    """1024 and 768 px are both upscaled from less than 512, so the side alone says nothing."""
    request = asked(size="1024x1024")
    found = smaller(request, model, LIMITS, Stage.GENERATE)
    before, after = (needs(plan(one, model))[Stage.GENERATE] for one in (request, found))
    assert after <= ENOUGH * before


@pytest.mark.parametrize("stage", [None, Stage.GENERATE, Stage.INTERPOLATE, Stage.UPSCALE])
@pytest.mark.parametrize("size", ["512x512", "1024x576", "2048x2048", "256x256"])
def test_the_stage_where_memory_ran_out_needs_less(model, stage, size):
    request = asked(size=size, fps=24)
    found = smaller(request, model, LIMITS, stage)
    before, after = needs(plan(request, model)), needs(plan(found, model))
    stages = [stage] if stage in before else list(before)
    assert all(after.get(one, 0) <= ENOUGH * before[one] for one in stages)
    assert all(after[one] <= before[one] for one in after)
    assert (found.prompt, found.fps, found.model, found.steps) == (
        request.prompt, request.fps, request.model, request.steps,
    )  # fmt: skip
    assert found.seconds <= request.seconds
    assert found.width <= request.width


def test_repairing_again_and_again_comes_to_an_end(model):
    request, seen = asked(size="2048x2048", seconds=10, fps=24), 0
    while request := smaller(request, model, LIMITS):
        seen += 1
        assert seen < 30
    assert seen >= 3


def test_the_smallest_clip_has_no_smaller_one(model):
    tightest = replace(model, min_size=128)
    assert smaller(asked(size="128x128", seconds=1), tightest, LIMITS) is None


def test_a_request_that_the_model_can_no_longer_render_has_none(model):
    assert smaller(asked(size="2048x2048"), replace(model, native_size=64), LIMITS) is None


def test_the_models_own_size_for_the_shape_is_among_the_smaller_ones(model):
    shaped = replace(model, native_size=384, native_sizes={"1:1": (640, 640)})
    request = asked(size="1280x1280", seconds=2)
    assert said(smaller(request, shaped, LIMITS, Stage.UPSCALE)) == (640, 640, 2)

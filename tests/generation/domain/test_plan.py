"""A plan does exactly the work a request needs, for everything the form offers and beyond."""

import json
from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from generation.catalogue.load import load_catalogue
from generation.domain.plan import CHUNK_BYTES, UPSCALE_FACTORS, Plan, TooLarge, largest_short_side, plan
from generation.domain.states import Stage
from generation.requests.fields import FPS, MIN_SIDE
from generation.requests.limits import MAX_SECONDS, MAX_SIDE
from generation.requests.sizes import ASPECTS, size_of, suggested_short_sides

MODELS = load_catalogue().models


@dataclass(frozen=True)
class Asked:
    width: int
    height: int
    seconds: int = 2
    fps: int = 24


@dataclass(frozen=True)
class Model:
    native_size: int
    min_size: int
    native_fps: int = 8


def short_and_long(width: int, height: int) -> tuple[int, int]:
    return min(width, height), max(width, height)


def assert_enough_frames_and_not_one_more(asked, model, made):
    assert made.factor * model.native_fps == asked.fps
    intervals = asked.seconds * model.native_fps
    assert made.base_frames == (intervals + 1 if made.factor > 1 else intervals)
    assert made.frames == asked.seconds * asked.fps


def assert_the_base_is_no_larger_than_needed(asked, model, made):
    assert made.base_width % 8 == made.base_height % 8 == 0
    assert made.base_width * made.upscale >= asked.width
    assert made.base_height * made.upscale >= asked.height
    base_short, base_long = short_and_long(made.base_width, made.base_height)
    short, long = short_and_long(asked.width, asked.height)
    assert model.min_size <= base_short <= model.native_size
    assert (base_short - 8) * made.upscale < short or base_short - 8 < model.min_size
    # At `min_size` the long side must keep the proportions asked for: any shorter, and the short side would be cropped.
    too_narrow = Fraction(base_long - 8, model.min_size) < Fraction(long, short)
    assert (base_long - 8) * made.upscale < long or too_narrow


def assert_no_smaller_factor_reaches(asked, model, made):
    short = min(asked.width, asked.height)
    smaller = [factor for factor in UPSCALE_FACTORS if factor < made.upscale]
    assert all(model.native_size * factor < short for factor in smaller)


def assert_chunks_tile_the_clip(made):
    overlap = 1 if made.factor > 1 else 0
    assert [chunk.index for chunk in made.chunks] == list(range(len(made.chunks)))
    assert made.chunks[0].start == 0
    assert made.chunks[-1].stop == made.base_frames
    for before, after in zip(made.chunks, made.chunks[1:], strict=False):
        assert before.stop - after.start == overlap
    for chunk in made.chunks:
        assert chunk.frames == (chunk.stop - chunk.start - overlap) * made.factor > 0
    assert sum(chunk.frames for chunk in made.chunks) == made.frames


def assert_chunks_fit_into_memory(made):
    frame = made.base_width * made.base_height * made.upscale**2 * 3
    assert all(chunk.frames * frame <= CHUNK_BYTES or chunk.frames == made.factor for chunk in made.chunks)


def assert_only_the_stages_that_are_needed(made):
    left_out = ([Stage.INTERPOLATE] if made.factor == 1 else []) + ([Stage.UPSCALE] if made.upscale == 1 else [])
    assert list(made.stages) == [stage for stage in Stage if stage not in left_out]
    units = list(made.units)
    assert len(units) == len(set(units)) == 3 + len(made.chunks) * (len(made.stages) - 3)
    assert {stage for stage, _chunk in units} == set(made.stages)


def check(asked, model):
    made = plan(asked, model)
    assert (made.width, made.height, made.fps) == (asked.width, asked.height, asked.fps)
    assert_enough_frames_and_not_one_more(asked, model, made)
    assert_the_base_is_no_larger_than_needed(asked, model, made)
    assert_no_smaller_factor_reaches(asked, model, made)
    assert_chunks_tile_the_clip(made)
    assert_chunks_fit_into_memory(made)
    assert_only_the_stages_that_are_needed(made)


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_everything_that_the_form_offers_is_made_with_the_least_work(model):
    sizes = [size_of(side, aspect) for side in suggested_short_sides(model, MAX_SIDE) for aspect in ASPECTS]
    offered = [size for size in sizes if max(size) <= MAX_SIDE]
    assert len(offered) > 10
    for width, height in offered:
        for seconds in range(1, MAX_SECONDS + 1):
            for fps in FPS:
                check(Asked(width, height, seconds, fps), model)


EVEN = st.integers(MIN_SIDE // 2, 2048).map(lambda half: half * 2)


@st.composite
def models(draw):
    eighths = draw(st.integers(8, 128))
    return Model(eighths * 8, draw(st.integers(1, eighths)) * 8, draw(st.sampled_from([1, 2, 4, 8])))


@settings(deadline=None, max_examples=200)
@given(width=EVEN, height=EVEN, seconds=st.integers(1, 60), fps=st.sampled_from(FPS), model=models())
def test_any_even_size_on_any_model_is_made_with_the_least_work_or_refused(width, height, seconds, fps, model):
    asked = Asked(width, height, seconds, fps)
    if min(width, height) > largest_short_side(model):
        with pytest.raises(TooLarge):
            plan(asked, model)
    else:
        check(asked, model)


def test_the_largest_short_side_is_reached_and_two_pixels_more_are_not():
    model = Model(64, 64)
    assert plan(Asked(512, 512), model).upscale == 8
    with pytest.raises(TooLarge) as refused:
        plan(Asked(514, 1024), model)
    assert refused.value.largest == 512


def test_two_seconds_at_24_frames_of_256_pixels_on_the_tiny_model():
    made = plan(Asked(256, 256), MODELS["tiny"])
    assert (made.base_width, made.base_height, made.upscale) == (64, 64, 4)
    assert (made.base_frames, made.factor, made.frames) == (17, 3, 48)
    assert [(chunk.start, chunk.stop, chunk.frames) for chunk in made.chunks] == [(0, 9, 24), (8, 17, 24)]


def test_a_model_that_cannot_paint_small_paints_its_smallest_and_is_not_upscaled():
    made = plan(Asked(128, 256, fps=8), Model(512, 256))
    assert (made.base_width, made.base_height, made.upscale, made.base_frames) == (256, 512, 1, 16)
    assert made.stages == (Stage.PREPROCESS, Stage.GENERATE, Stage.ASSEMBLE)


def test_a_long_clip_of_large_frames_is_cut_into_smaller_chunks():
    small, large = plan(Asked(512, 512, 10, 32), Model(512, 256)), plan(Asked(2048, 2048, 10, 32), Model(512, 256))
    assert [chunk.frames for chunk in small.chunks] == [32] * 10
    assert [chunk.frames for chunk in large.chunks] == [20] * 16  # 20 frames of 12 MiB each in 256 MiB


def test_a_rate_that_is_no_multiple_of_the_models_is_refused():
    with pytest.raises(ValueError, match="not a multiple"):
        plan(Asked(256, 256, fps=24), Model(512, 256, native_fps=10))


@settings(deadline=None, max_examples=200)
@given(width=EVEN, height=EVEN, seconds=st.integers(1, 60), fps=st.sampled_from(FPS), model=models())
def test_a_plan_is_stored_and_read_again_unchanged(width, height, seconds, fps, model):
    assume(min(width, height) <= largest_short_side(model))
    made = plan(Asked(width, height, seconds, fps), model)
    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_stored_plan_of_today_is_read_for_ever():
    """Jobs queued during an update carry stored plans: add a case for each new version, never change one."""
    stored = {
        "version": 1, "base_width": 64, "base_height": 64, "base_frames": 17, "factor": 3, "upscale": 4,
        "width": 256, "height": 256, "fps": 24, "frames": 48, "chunks": [[0, 9, 24], [8, 17, 24]],
        "stages": ["preprocess", "generate", "interpolate", "upscale", "assemble"],
    }  # fmt: skip
    assert Plan.from_dict(stored) == plan(Asked(256, 256), MODELS["tiny"])


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"version": None},
        {"factor": None},
        {"factor": "3"},
        {"factor": -1},
        {"frames": 48.0},
        {"upscale": True},
        {"chunks": None},
        {"chunks": [0, 9, 24]},
        {"chunks": [[0, 9]]},
        {"chunks": [[0, 9, 24, 1]]},
        {"chunks": [[0, "9", 24]]},
        {"stages": None},
        {"stages": ["preprocess", "invented"]},
    ],
)
def test_what_is_no_plan_of_a_known_version_is_refused(changes):
    stored = plan(Asked(256, 256), MODELS["tiny"]).to_dict()
    with pytest.raises(ValueError):
        Plan.from_dict({**stored, **changes})


@pytest.mark.parametrize("stored", [None, [], "plan", 1, {}, {"version": 1}])
def test_what_is_no_plan_at_all_is_refused(stored):
    with pytest.raises(ValueError):
        Plan.from_dict(stored)

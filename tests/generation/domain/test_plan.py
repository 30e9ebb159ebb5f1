"""Plans do the least work that satisfies a request, for everything the form offers and beyond."""

import json
from dataclasses import dataclass, field, replace
from fractions import Fraction

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from generation.catalogue.load import load_catalogue
from generation.domain.plan import (
    ANY_COUNT,
    CHUNK_BYTES,
    UPSCALE_FACTORS,
    FrameRule,
    Plan,
    TooLarge,
    TooLong,
    largest_short_side,
    longest,
    plan,
)
from generation.domain.shapes import native_size_for
from generation.domain.states import Stage
from generation.requests.fields import FPS, MIN_SIDE
from generation.requests.limits import MAX_SECONDS, MAX_SIDE
from generation.requests.rates import offered_rates
from generation.requests.sizes import ASPECTS, size_of, suggested_short_sides
from tests.other_families import CATALOGUE

MODELS = load_catalogue().models


@pytest.fixture(scope="module")
def other_models(tmp_path_factory):
    """Models with frame rules, limits, coarse sides and native rates of 16 and 25."""
    path = tmp_path_factory.mktemp("other") / "families.toml"
    path.write_text(CATALOGUE)
    return load_catalogue(path).models


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
    frame_rule: FrameRule = ANY_COUNT
    native_sizes: dict[str, tuple[int, int]] = field(default_factory=dict)

    def at_its_native_sizes(self, **sizes: tuple[int, int]):
        """Return it with native sizes: those of wide, photo, square, portrait and tall clips."""
        return replace(self, native_sizes={ASPECT_OF[name]: size for name, size in sizes.items()})


ASPECT_OF = {"wide": "16:9", "photo": "3:2", "square": "1:1", "portrait": "2:3", "tall": "9:16"}


def native_of(asked, model):
    """Return the native size for the shape of a clip, None also where the clip is larger than it reaches."""
    native = native_size_for(asked.width, asked.height, model.native_sizes)
    reaches = native is not None and min(asked.width, asked.height) <= min(native) * UPSCALE_FACTORS[-1]
    return native if reaches else None


def native_short(asked, model):
    return min(native_of(asked, model) or (model.native_size,))


def short_and_long(width: int, height: int) -> tuple[int, int]:
    return min(width, height), max(width, height)


def assert_enough_frames_and_not_one_more(asked, model, made):
    rule = model.frame_rule
    assert made.rate == made.factor * model.native_fps >= asked.fps
    assert made.rate - model.native_fps < asked.fps, "a smaller factor reaches the rate"
    needed = asked.seconds * model.native_fps + (1 if made.factor > 1 else 0)
    assert made.base_frames >= needed
    assert made.base_frames - rule.multiple < needed
    assert (made.base_frames - rule.offset) % rule.multiple == 0
    assert rule.most is None or made.base_frames <= rule.most
    assert made.frames == asked.seconds * asked.fps


def assert_the_base_is_no_larger_than_needed(asked, model, made):
    step = model.frame_rule.side_multiple
    assert made.base_width % step == made.base_height % step == 0
    if (made.base_width, made.base_height) == native_of(asked, model):
        assert_the_native_size_is_needed(asked, model, made)
        return
    assert made.base_width * made.upscale >= asked.width
    assert made.base_height * made.upscale >= asked.height
    base_short, base_long = short_and_long(made.base_width, made.base_height)
    short, long = short_and_long(asked.width, asked.height)
    assert model.min_size <= base_short <= native_short(asked, model)
    assert (base_short - step) * made.upscale < short or base_short - step < model.min_size
    # The long side may only exceed what is needed to keep the aspect ratio: any shorter would crop the short side.
    too_narrow = Fraction(base_long - step, model.min_size) < Fraction(long, short)
    assert (base_long - step) * made.upscale < long or too_narrow


def assert_the_native_size_is_needed(asked, model, made):
    """Its short side reaches the clip's; less would have been enough only for a clip that is not upscaled."""
    short, step = min(asked.width, asked.height), model.frame_rule.side_multiple
    base_short = min(made.base_width, made.base_height)
    assert base_short * made.upscale >= short
    assert made.upscale > 1 or base_short - step < max(short, model.min_size)


def assert_a_clip_that_reaches_its_native_size_is_made_at_it(asked, model, made):
    native = native_of(asked, model)
    if native is not None and min(asked.width, asked.height) >= min(native):
        assert (made.base_width, made.base_height) == native


def assert_no_smaller_factor_reaches(asked, model, made):
    short = min(asked.width, asked.height)
    smaller = [factor for factor in UPSCALE_FACTORS if factor < made.upscale]
    assert all(native_short(asked, model) * factor < short for factor in smaller)


def assert_chunks_tile_the_clip(asked, model, made):
    overlap = 1 if made.factor > 1 else 0
    assert [chunk.index for chunk in made.chunks] == list(range(len(made.chunks)))
    assert made.chunks[0].start == 0
    assert made.chunks[-1].stop == asked.seconds * model.native_fps + overlap
    for before, after in zip(made.chunks, made.chunks[1:], strict=False):
        assert before.stop - after.start == overlap
    assert sum(chunk.frames for chunk in made.chunks) == made.frames


def assert_what_is_kept_is_even(made):
    """Each frame of the clip is the one that was made at its time, or the last before."""
    found = []
    for chunk in made.chunks:
        kept = made.kept(chunk)
        assert len(kept) == chunk.frames > 0
        assert kept[-1] < (chunk.stop - chunk.start - (1 if made.factor > 1 else 0)) * made.factor
        found += [chunk.start * made.factor + index for index in kept]
    assert found == [index * made.rate // made.fps for index in range(made.frames)]


def assert_chunks_fit_into_memory(made):
    frame = made.base_width * made.base_height * made.upscale**2 * 3
    least = -(-made.native_fps // made.fps)  # intervals without which a chunk might have no frame
    for chunk in made.chunks[:-1]:
        intervals = chunk.stop - chunk.start - (1 if made.factor > 1 else 0)
        assert chunk.frames * frame <= CHUNK_BYTES + frame or intervals == max(1, least)


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
    assert_a_clip_that_reaches_its_native_size_is_made_at_it(asked, model, made)
    assert_no_smaller_factor_reaches(asked, model, made)
    assert_chunks_tile_the_clip(asked, model, made)
    assert_what_is_kept_is_even(made)
    assert_chunks_fit_into_memory(made)
    assert_only_the_stages_that_are_needed(made)


def longest_of(model, fps):
    """Return the most seconds that a model can make at a rate, no more than the site's limit."""
    is_limited = model.frame_rule.most is not None
    return min(MAX_SECONDS, longest(model, -(-fps // model.native_fps))) if is_limited else MAX_SECONDS


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_everything_that_the_form_offers_is_made_with_the_least_work(model):
    sizes = [size_of(side, aspect) for side in suggested_short_sides(model, MAX_SIDE) for aspect in ASPECTS]
    offered = [size for size in sizes if max(size) <= MAX_SIDE]
    assert len(offered) > 10
    for width, height in offered:
        for fps in FPS:
            most = longest_of(model, fps)
            for seconds in range(1, most + 1):
                check(Asked(width, height, seconds, fps), model)
            if most < MAX_SECONDS:
                with pytest.raises(TooLong):
                    plan(Asked(width, height, most + 1, fps), model)


@pytest.mark.parametrize(("id", "most"), [("waves", 5), ("clouds", 3)])
def test_all_lengths_and_rates_on_offer_are_made_by_a_model_with_a_limit_and_no_longer_ones(other_models, id, most):
    model = other_models[id]
    sizes = [size_of(side, aspect) for side in suggested_short_sides(model, MAX_SIDE) for aspect in ASPECTS]
    for width, height in [size for size in sizes if max(size) <= MAX_SIDE]:
        for fps in offered_rates(model.native_fps):
            assert longest(model, -(-fps // model.native_fps)) == most
            for seconds in range(1, most + 1):
                check(Asked(width, height, seconds, fps), model)
            with pytest.raises(TooLong):
                plan(Asked(width, height, most + 1, fps), model)


EVEN = st.integers(MIN_SIDE // 2, 2048).map(lambda half: half * 2)


@st.composite
def models(draw):
    eighths = draw(st.integers(8, 128))
    rate = draw(st.sampled_from([1, 2, 4, 8, 10, 15, 16, 24, 25, 30, 60]))
    multiple = draw(st.sampled_from([1, 1, 4, 8]))
    rule = FrameRule(multiple, draw(st.integers(0, multiple - 1)))
    return Model(eighths * 8, draw(st.integers(1, eighths)) * 8, rate, rule)


@st.composite
def shaped_models(draw):
    """Return a model that was trained at one size for some of the shapes, smaller or larger than for the others."""
    model = draw(models())
    sizes = {}
    for aspect in draw(st.lists(st.sampled_from(list(ASPECTS)), unique=True)):
        short = draw(st.integers(model.min_size // 8, 160)) * 8
        width, height = size_of(short, aspect)
        wider = draw(st.sampled_from([-8, 0, 8])) if short > 256 else 0
        if min(width + wider, height) >= model.min_size:  # the catalogue refuses others
            sizes[aspect] = (width + wider, height)
    return replace(model, native_sizes=sizes)


@settings(deadline=None, max_examples=200)
@given(width=EVEN, height=EVEN, seconds=st.integers(1, 60), fps=st.sampled_from(FPS), model=models())
def test_any_even_size_on_any_model_is_made_with_the_least_work_or_refused(width, height, seconds, fps, model):
    check_or_refuse(Asked(width, height, seconds, fps), model)


@settings(deadline=None, max_examples=200)
@given(short=EVEN, aspect=st.sampled_from(list(ASPECTS)), wider=st.integers(-4, 4), model=shaped_models())
def test_so_is_any_size_of_any_shape_on_a_model_with_native_sizes(short, aspect, wider, model):
    width, height = size_of(short, aspect)
    check_or_refuse(Asked(max(MIN_SIDE, width + 2 * wider), height), model)


def check_or_refuse(asked, model):
    if min(asked.width, asked.height) > largest_short_side(model):
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
    assert [chunk.frames for chunk in large.chunks] == [20] * 16  # 20 frames of 12 MiB each fit into 256 MiB


WAN = Model(480, 480, 16, FrameRule(multiple=4, offset=1, most=81, side_multiple=16))
LTX = Model(512, 256, 24, FrameRule(multiple=8, offset=1, most=257, side_multiple=32))


SHAPED = WAN.at_its_native_sizes(wide=(832, 480), square=(640, 640), tall=(480, 832))


def base(made):
    return made.base_width, made.base_height, made.upscale


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((856, 480), (832, 480, 1)),  # what the form asks for; without, it would be 864
        ((480, 856), (480, 832, 1)),
        ((832, 480), (832, 480, 1)),
        ((1712, 960), (832, 480, 2)),
        ((1920, 1080), (832, 480, 4)),
        ((1080, 1920), (480, 832, 4)),
        ((640, 640), (640, 640, 1)),
        ((1024, 1024), (640, 640, 2)),  # and not 512
        ((720, 480), (720, 480, 1)),  # no native size has this shape
        ((960, 640), (480, 320, 2)),
        ((800, 480), (800, 480, 1)),
    ],
)
def test_a_clip_of_a_shape_with_a_native_size_is_made_at_it(size, expected):
    assert base(plan(Asked(*size, fps=16), replace(SHAPED, min_size=256))) == expected


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((456, 256), (464, 256, 1)),
        ((600, 600), (608, 608, 1)),
        ((836, 470), (832, 480, 1)),
        ((192, 192), (256, 256, 1)),
    ],
)
def test_a_clip_smaller_than_the_native_size_takes_less_work(size, expected):
    assert base(plan(Asked(*size, fps=16), replace(SHAPED, min_size=256))) == expected


def test_a_model_that_makes_nothing_smaller_makes_its_native_size():
    model = WAN.at_its_native_sizes(photo=(768, 480))
    assert base(plan(Asked(192, 128, fps=16), model)) == (768, 480, 1)


def test_native_sizes_do_not_change_what_a_model_reaches():
    large = Model(512, 256).at_its_native_sizes(square=(1024, 1024), wide=(672, 384))
    assert base(plan(Asked(4096, 4096), large)) == (1024, 1024, 4)
    assert base(plan(Asked(5376, 3072), large)) == (672, 384, 8)
    assert base(plan(Asked(5392, 3080), large)) == (680, 392, 8), "by the usual rule"
    for size in [(4098, 4098), (7288, 4098)]:
        with pytest.raises(TooLarge) as refused:
            plan(Asked(*size), large)
        assert refused.value.largest == 4096


def test_five_seconds_of_wan_are_81_frames():
    made = plan(Asked(832, 480, 5, 16), WAN)
    assert (made.base_frames, made.factor, made.frames) == (81, 1, 80)
    assert made.chunks[-1].stop == 80, "the last one is surplus"
    assert Stage.INTERPOLATE not in made.stages


def test_a_rate_between_the_models_and_its_double_is_made_at_the_double():
    made = plan(Asked(832, 480, 3, 24), WAN)
    assert (made.base_frames, made.factor, made.rate, made.frames) == (49, 2, 32, 72)
    assert made.kept(made.chunks[0]) == (
        0,
        1,
        2,
        4,
        5,
        6,
        8,
        9,
        10,
        12,
        13,
        14,
        16,
        17,
        18,
        20,
        21,
        22,
        24,
        25,
        26,
        28,
        29,
        30,
    )


def test_a_rate_below_the_models_keeps_some_of_its_frames():
    made = plan(Asked(512, 512, 2, 8), LTX)
    assert (made.base_frames, made.factor, made.frames) == (49, 1, 16)
    assert made.kept(made.chunks[0]) == (0, 3, 6, 9, 12, 15, 18, 21)


def test_a_model_of_25_frames_a_second_makes_24():
    made = plan(Asked(512, 512, 1, 24), Model(512, 256, native_fps=25))
    assert (made.factor, made.frames, made.base_frames) == (1, 24, 25)
    assert [index for chunk in made.chunks for index in made.kept(chunk)] == list(range(24))


@pytest.mark.parametrize(("fps", "most"), [(16, 5), (32, 5), (24, 5)])
def test_a_model_with_a_limit_says_how_long_a_clip_can_be(fps, most):
    assert plan(Asked(832, 480, most, fps), WAN).base_frames <= 81
    with pytest.raises(TooLong) as refused:
        plan(Asked(832, 480, most + 1, fps), WAN)
    assert refused.value.longest == most


def test_sides_are_multiples_of_what_the_network_can_make():
    made = plan(Asked(500, 500, 1, 24), LTX)
    assert (made.base_width, made.base_height, made.upscale) == (512, 512, 1)


@given(multiple=st.integers(1, 16), offset=st.integers(0, 15), frames=st.integers(1, 500))
def test_a_rule_gives_the_least_count_that_it_allows(multiple, offset, frames):
    assume(offset < multiple)
    count = FrameRule(multiple, offset).at_least(frames)
    allowed = [number for number in range(frames + multiple) if number % multiple == offset and number >= frames]
    assert count == allowed[0]


@settings(deadline=None, max_examples=200)
@given(width=EVEN, height=EVEN, seconds=st.integers(1, 60), fps=st.sampled_from(FPS), model=models())
def test_a_plan_is_stored_and_read_again_unchanged(width, height, seconds, fps, model):
    assume(min(width, height) <= largest_short_side(model))
    made = plan(Asked(width, height, seconds, fps), model)
    assert Plan.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_stored_plans_stay_readable():
    """Jobs queued across an upgrade carry such plans: add a case per new version, never change one."""
    stored = {
        "version": 1, "base_width": 64, "base_height": 64, "base_frames": 17, "factor": 3, "upscale": 4,
        "width": 256, "height": 256, "fps": 24, "frames": 48, "chunks": [[0, 9, 24], [8, 17, 24]],
        "stages": ["preprocess", "generate", "interpolate", "upscale", "assemble"],
    }  # fmt: skip
    assert Plan.from_dict(stored) == plan(Asked(256, 256), MODELS["tiny"])
    assert plan(Asked(256, 256), MODELS["tiny"]).to_dict() == stored, "workers of that version read it, too"


def test_stored_plans_of_the_second_version_stay_readable():
    stored = {
        "version": 2, "base_width": 480, "base_height": 480, "base_frames": 17, "factor": 2, "upscale": 1,
        "width": 480, "height": 480, "fps": 24, "frames": 24, "rate": 32, "chunks": [[0, 17, 24]],
        "stages": ["preprocess", "generate", "interpolate", "assemble"],
    }  # fmt: skip
    assert Plan.from_dict(stored) == plan(Asked(480, 480, 1, 24), WAN)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},  # which has a rate
        {"version": 3},
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
def test_plans_with_unknown_or_invalid_values_are_refused(changes):
    stored = plan(Asked(256, 256), MODELS["tiny"]).to_dict()
    with pytest.raises(ValueError):
        Plan.from_dict({**stored, **changes})


@pytest.mark.parametrize("stored", [None, [], "plan", 1, {}, {"version": 1}])
def test_malformed_plans_are_refused(stored):
    with pytest.raises(ValueError):
        Plan.from_dict(stored)

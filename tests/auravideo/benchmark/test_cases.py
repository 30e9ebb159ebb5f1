"""What a benchmark renders, and what it refuses before anything is loaded."""

import pytest

from auravideo.benchmark import cases
from auravideo.benchmark.cases import Refused, Way, Without
from generation.catalogue.load import load_catalogue
from generation.domain.states import Stage

CATALOGUE = load_catalogue()


def make(**options):
    return cases.make(CATALOGUE, **{"models": ["tiny"], "seconds": [2], "fps": [24], **options})


def only(**options):
    (case,) = make(**options)
    return case


def test_by_default_it_is_the_table_of_auraanim_as_far_as_the_model_reaches():
    found = cases.make(CATALOGUE, models=["stable-diffusion-v1-5"])
    asked = [(case.request.width, case.request.seconds, case.request.fps) for case in found]
    assert asked == [(side, seconds, fps) for side in (256, 512, 1024, 2048) for seconds in (2, 6) for fps in (8, 24)]
    assert {case.request.width for case in cases.make(CATALOGUE, models=["tiny"])} == {256, 512}


@pytest.mark.parametrize("model", [id for id, model in CATALOGUE.models.items() if model.frame_rule.most is not None])
def test_by_default_lengths_are_as_long_as_a_model_makes(model):
    found = cases.make(CATALOGUE, models=[model])
    assert {case.request.seconds for case in found} <= {2, 5, 6}
    assert len({case.request.seconds for case in found}) == 2
    with pytest.raises(Refused, match=r"--seconds: .* at most"):
        make(models=[model], seconds=[30])


def test_a_value_given_twice_is_measured_once():
    assert len(make(models=["tiny", "tiny"], sizes=["128x128"] * 2, seconds=[1, 1], fps=[8, 8])) == 1


def test_direct_generates_every_frame_at_full_size():
    direct = only(sizes=["256x256"], without=Without.BOTH).plans[Way.DIRECT]
    assert (direct.base_width, direct.base_height, direct.base_frames) == (256, 256, 48)
    assert (direct.factor, direct.upscale, direct.frames) == (1, 1, 48)
    assert direct.stages == (Stage.PREPROCESS, Stage.GENERATE, Stage.ASSEMBLE)


def test_direct_can_go_without_one_of_the_ideas():
    case = {"sizes": ["256x256"]}
    size, rate = (only(**case, without=idea).plans[Way.DIRECT] for idea in (Without.SIZE, Without.RATE))
    assert (size.base_width, size.base_frames, size.factor) == (256, 17, 3)
    assert (rate.base_width, rate.base_frames, rate.upscale) == (64, 48, 4)


def test_all_ways_make_the_same_clip():
    plans = only(sizes=["300x200"], without=Without.BOTH, reload=True).plans
    assert set(plans) == set(Way)
    assert len({(plan.width, plan.height, plan.fps, plan.frames) for plan in plans.values()}) == 1


def test_a_clip_that_uses_neither_idea_has_no_direct_way():
    options = {"models": ["stable-diffusion-v1-5"], "fps": [8], "without": Without.BOTH}
    small, large = make(**options, sizes=["512x512", "1024x1024"])
    assert (Way.DIRECT in small.plans, Way.DIRECT in large.plans) == (False, True)
    with pytest.raises(Refused, match="--direct both: none of these clips"):
        make(**options, sizes=["512x512"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ["nope"]}, "--models: there is no model 'nope'"),
        ({"sizes": ["1024x1024"]}, "--sizes: .*at most 512 pixels"),
        ({"sizes": ["127x127"]}, "--sizes: A side must be an even number"),
        ({"sizes": ["4096x4096"]}, "--sizes: A side must be"),
        ({"sizes": ["large"]}, "--sizes: A size looks like this"),
        ({"seconds": [61]}, "--seconds: This must be between 1 and 60"),
        ({"fps": [12]}, "--fps: This must be one of"),
        ({"steps": 1000}, "--steps: This must be between"),
        ({"sizes": [f"{side}x128" for side in range(128, 340, 2)]}, "at most 100"),
    ],
)
def test_what_cannot_be_rendered_is_refused_by_the_name_of_the_option(options, message):
    with pytest.raises(Refused, match=message):
        make(**options)


def test_only_what_goes_without_small_frames_leaves_a_models_native_sizes():
    asked = {"models": ["wan2-1-t2v-1-3b"], "sizes": ["1712x960"], "seconds": [2], "fps": [32]}
    for idea, base in ((Without.RATE, (832, 480, 2)), (Without.SIZE, (1712, 960, 1)), (Without.BOTH, (1712, 960, 1))):
        direct = only(**asked, without=idea).plans[Way.DIRECT]
        assert (direct.base_width, direct.base_height, direct.upscale) == base

"""The catalogue's entries of the other families, against what their engine accepts."""

from types import SimpleNamespace

import pytest

from generation.catalogue.load import load_catalogue
from generation.domain.plan import longest, plan
from generation.requests.fields import FPS
from generation.requests.limits import MAX_SECONDS, MAX_SIDE
from generation.requests.sizes import ASPECTS, size_of, suggested_short_sides
from workers.engines.diffusion.clip import Clip
from workers.engines.families.engine import FamilyEngine

MODELS = {id: model for id, model in load_catalogue().models.items() if not model.is_animatediff}


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_the_engine_can_make_whatever_the_plan_asks_of_it(model, tmp_path):
    engine = FamilyEngine.from_entry(model, tmp_path, device="cpu")
    sizes = [size_of(side, aspect) for side in suggested_short_sides(model, MAX_SIDE) for aspect in ASPECTS]
    sizes += [(model.native_size + 2, model.native_size - 2), (130, 1022), (1920, 1080), *model.native_sizes.values()]
    for width, height in sizes:
        for fps in FPS:
            most = min(MAX_SECONDS, longest(model, -(-fps // model.native_fps)))
            for seconds in {1, most}:
                asked = SimpleNamespace(width=width, height=height, seconds=seconds, fps=fps)
                made = plan(asked, model)
                engine._check(
                    Clip("", "", made.base_width, made.base_height, made.base_frames, 1, 1.0, 0, (), None, None)
                )


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_at_its_own_size_and_rate_a_model_needs_neither_interpolation_nor_upscaling(model):
    side = model.native_size
    made = plan(SimpleNamespace(width=side, height=side, seconds=1, fps=model.native_fps), model)
    assert (made.factor, made.upscale) == (1, 1)
    assert [str(stage) for stage in made.stages] == ["preprocess", "generate", "assemble"]


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_what_its_makers_trained_it_at_is_made_as_it_is(model):
    for width, height in model.native_sizes.values():
        made = plan(SimpleNamespace(width=width, height=height, seconds=1, fps=model.native_fps), model)
        assert (made.base_width, made.base_height, made.upscale) == (width, height, 1)


def test_the_entries_have_the_sizes_that_their_makers_name():
    """Read in their repositories; the entries say where."""
    found = {id: [f"{width}x{height}" for width, height in model.native_sizes.values()] for id, model in MODELS.items()}
    assert found == {
        "wan2-1-t2v-1-3b": ["832x480", "480x832"],
        "wan2-2-ti2v-5b": ["1280x704", "704x1280"],
        "ltx-video-2b": [],
        "ltx-video-2b-distilled": [],
        "cogvideox-2b": ["720x480"],
        "cogvideox-5b": ["720x480"],
        "hunyuanvideo-1-5": ["848x480", "768x512", "640x640", "512x768", "480x848"],
    }

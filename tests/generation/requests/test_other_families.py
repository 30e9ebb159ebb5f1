"""Requests for models without a motion adapter or without guidance: what has no effect is refused by name."""

import pytest

from generation.catalogue.load import CatalogueError, load_catalogue
from generation.requests.choices import to_requests
from generation.requests.limits import Limits
from generation.requests.offer import Offer
from generation.requests.request import InvalidRequest, parse
from tests.other_families import CATALOGUE, NATIVE_SIZES


@pytest.fixture
def catalogue(tmp_path):
    path = tmp_path / "families.toml"
    path.write_text(CATALOGUE)
    return load_catalogue(path)


@pytest.fixture
def ask(catalogue):
    return lambda **data: parse({"prompt": "a wave", **data}, catalogue, Limits())


@pytest.fixture
def errors_of(ask):
    def errors(**data):
        with pytest.raises(InvalidRequest) as refused:
            ask(**data)
        return {name: " ".join(map(str, texts)) for name, texts in refused.value.errors.items()}

    return errors


def test_what_nobody_gave_is_what_suits_the_model(ask):
    waves, clouds = ask(model="waves"), ask(model="clouds")
    assert (waves.fps, waves.steps, waves.guidance, waves.seconds) == (16, 50, 5.0, 2)
    assert (clouds.fps, clouds.steps, clouds.guidance, clouds.motion_adapter) == (25, 8, 1.0, "")


@pytest.fixture
def shaped(tmp_path):
    """Return a catalogue of which two models have native sizes by shape."""
    path = tmp_path / "native-sizes.toml"
    path.write_text(NATIVE_SIZES)
    return load_catalogue(path)


def size_of(catalogue, limits=None, **data):
    request = parse({"prompt": "a wave", **data}, catalogue, limits or Limits())
    return request.width, request.height


def test_a_size_that_nobody_gave_is_the_one_with_which_the_form_opens(shaped):
    sizes = {
        model: size_of(shaped, model=model) for model in ("tiny", "waves", "clouds", "tides", "lake", "epicrealism")
    }
    assert sizes == {
        "tiny": (256, 256),
        "waves": (480, 480),
        "clouds": (512, 512),
        "tides": (856, 480),  # the form's 16:9, made at 832x480
        "lake": (640, 640),
        "epicrealism": (512, 512),
    }
    for model in shaped.models:
        offer = Offer(shaped, Limits(), lambda entry: True)
        aspect, chosen = shaped.models[model].usual_aspect, {"prompt": "a wave", "model": model, "quality": "standard"}
        (opened,) = to_requests({**chosen, "aspect": aspect}, offer)
        assert size_of(shaped, model=model) == (opened.width, opened.height)


@pytest.mark.parametrize("given", [{"size": "256x256"}, {"width": 256, "height": 256}, {"width": 256}, {"height": 256}])
def test_a_size_of_which_somebody_gave_a_side_is_as_ever(shaped, given):
    assert size_of(shaped, model="tides", **given) == (256, 256)


@pytest.mark.parametrize(("most", "size"), [(512, (512, 290)), (232, (232, 132)), (200, (200, 200)), (129, (128, 128))])
def test_a_size_that_nobody_gave_keeps_to_the_limits(shaped, most, size):
    assert size_of(shaped, Limits(max_side=most), model="tides") == size


def test_a_model_that_makes_less_than_the_usual_length_makes_its_own(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(CATALOGUE.replace("max_frames = 81", "max_frames = 29"))
    assert parse({"prompt": "a wave", "model": "waves"}, load_catalogue(path), Limits()).seconds == 1


def test_a_model_that_cannot_make_a_second_is_no_model(tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(CATALOGUE.replace("max_frames = 81", "max_frames = 13"))
    with pytest.raises(CatalogueError, match=r"'max_frames' must be above native_fps \(16\)"):
        load_catalogue(path)


@pytest.mark.parametrize("model", ["waves-fast", "clouds"])
def test_a_negative_prompt_or_guidance_without_effect_is_refused(errors_of, model):
    assert errors_of(model=model, negative_prompt="rain", guidance="7.5") == {
        "negative_prompt": "This model has no negative prompt. Leave the field empty.",
        "guidance": "This model has no guidance. Leave the field empty.",
    }


@pytest.mark.parametrize("given", [{"guidance": 1}, {"guidance": "1.0"}, {"negative_prompt": "  "}, {"guidance": ""}])
def test_what_an_earlier_clip_was_made_with_is_accepted_again(ask, given):
    assert ask(model="clouds", **given) == ask(model="clouds")
    assert ask(**{name: value for name, value in ask(model="clouds").to_dict().items() if value != []})


def test_adapters_camera_motions_and_styles_of_others_are_refused(errors_of):
    found = errors_of(model="waves", motion_adapter="tiny-motion", motion_loras="zoom-in", style_loras="waves-lora")
    assert set(found) == {"motion_adapter", "motion_loras", "style_loras"}


def test_a_style_of_the_family_is_accepted_for_a_model_and_its_variant(ask):
    for model in ("waves", "waves-fast"):
        assert ask(model=model, style_loras="foam:0.5").style_loras == (("foam", 0.5),)


def test_a_variant_is_offered_once_its_lora_is_there(catalogue):
    missing = set()
    offer = Offer(catalogue, Limits(), lambda entry: entry.builtin and entry.id not in missing)
    assert [model.id for model in offer.models()] == ["tiny", "waves", "waves-fast", "clouds"]
    missing.add("waves-lora")
    assert [model.id for model in offer.models()] == ["tiny", "waves", "clouds"]

"""The form of models that make clips without AnimateDiff: what such a model lacks is not shown and has no effect."""

import pytest
from django.urls import reverse

from generation.models import Job, Preset
from generation.requests import available
from generation.requests.labels import model_choices
from tests.factories import JobFactory, VideoFactory, a_request
from tests.generation.create.pages import ADVANCED, SIMPLE, create, edit, values
from tests.html_forms import fields_of
from tests.other_families import many_models

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("other_families")]

WAVES = {
    "prompt": "a wave",
    "aspect": "16:9",
    "short_side": "480",
    "seconds": "5",
    "fps": "16",
    "format": "mp4",
    "model": "waves",
    "steps": "",
    "variations": "1",
}


def page_of(client, model, /, **data):
    return edit(client, "mode=advanced", {**ADVANCED, **data, "model": model})


def shown(response):
    return {field.name for field in response.context["form"].visible_fields()}


def offered(response, name):
    return [value for value, _label in response.context["form"].fields[name].choices]


def test_a_model_without_an_adapter_has_neither_its_field_nor_camera_motions(signed_in):
    response = page_of(signed_in, "waves")
    page = response.content.decode()
    assert "motion_adapter" not in response.context["form"].fields
    assert {"negative_prompt", "guidance", "steps", "lora-foam"} <= shown(response)
    assert "Camera motions" not in page
    assert '<h2 id="group-model">Model</h2>' in page
    assert "Motion adapter" in page_of(signed_in, "tiny").content.decode()


def test_the_field_of_the_model_says_what_the_chosen_one_is_for(signed_in):
    assert "Water in a hurry." in page_of(signed_in, "waves-fast").content.decode()
    page = page_of(signed_in, "clouds").content.decode()
    assert "Water in a hurry." not in page
    assert "Its licence does not hold below sea level." in page


def test_only_styles_of_its_family_are_offered_and_never_a_variants_own_lora(signed_in):
    response = page_of(signed_in, "waves-fast")
    assert [style.id for style in response.context["form"].styles] == ["foam"]
    assert "waves-lora" not in response.content.decode()


def test_a_model_without_guidance_shows_neither_guidance_nor_a_negative_prompt(signed_in):
    response = page_of(signed_in, "clouds")
    assert not {"negative_prompt", "guidance", "motion_adapter"} & shown(response)
    assert {"prompt", "steps", "seed", "seconds", "fps"} <= shown(response)


def test_what_was_typed_for_another_model_is_kept_and_has_no_effect(signed_in):
    sent = fields_of(page_of(signed_in, "clouds").content.decode(), "create-form")
    assert (sent["negative_prompt"], sent["guidance"]) == ("rain", "2.5")
    create(signed_in, "advanced", {**sent, "prompt": "a cloud", "seconds": "2"})
    request = Job.objects.get().render_request
    assert (request.model, request.negative_prompt, request.guidance) == ("clouds", "", 1.0)
    again = page_of(signed_in, "tiny", **{name: sent[name] for name in ("negative_prompt", "guidance")})
    assert (values(again)["negative_prompt"], values(again)["guidance"]) == ("rain", "2.5")
    assert {"negative_prompt", "guidance"} <= shown(again)


def test_the_simple_mode_mentions_nothing_that_has_no_effect(signed_in):
    page = edit(signed_in, "mode=advanced&to=simple", {**ADVANCED, "model": "clouds"}).content.decode()
    assert "Also set: Clouds · webm" not in page.casefold()
    assert "negative prompt" not in page.split('class="kept"')[1].split("</p>")[0]
    assert "Clouds" in page.split('class="kept"')[1]


@pytest.mark.parametrize(("model", "most"), [("tiny", 10), ("waves", 5), ("clouds", 3)])
@pytest.mark.parametrize("mode", ["simple", "advanced"])
def test_lengths_are_offered_up_to_what_the_model_makes(signed_in, mode, model, most):
    response = edit(signed_in, f"mode={mode}", {**SIMPLE, "model": model, "seconds": "2"})
    assert offered(response, "seconds") == list(range(1, most + 1))
    assert ("This model: up to" in response.content.decode()) is (most < 10)


def test_the_longest_that_is_offered_is_made_and_one_second_more_is_refused_at_its_field(signed_in):
    create(signed_in, "advanced", WAVES)
    assert Job.objects.get().plan["base_frames"] == 81
    form = create(signed_in, "advanced", {**WAVES, "seconds": "6"}).context["form"]
    assert form.errors == {"seconds": ["Waves makes at most 5 seconds at this frame rate."]}


def test_the_operators_limit_counts_where_it_is_lower(signed_in, settings):
    settings.MAX_SECONDS = 4
    response = page_of(signed_in, "waves", seconds="2")
    assert offered(response, "seconds") == [1, 2, 3, 4]
    assert "This model: up to" not in response.content.decode()


def test_another_model_shortens_the_length_to_what_it_makes(signed_in):
    assert values(page_of(signed_in, "waves", seconds="10"))["seconds"] == 5


@pytest.mark.parametrize(
    ("model", "rates", "usual"),
    [("tiny", [8, 16, 24, 32], 24), ("waves", [8, 16, 24, 32], 16), ("clouds", [25], 25)],
)
def test_rates_that_suit_the_model_are_offered_and_its_own_is_the_default(signed_in, model, rates, usual):
    response = page_of(signed_in, model, fps="")
    assert offered(response, "fps") == rates
    assert response.context["form"].fields["fps"].initial == usual


def test_the_defaults_of_the_model_before_become_those_of_this_one(signed_in):
    kept = {"shown_model": "tiny", "short_side": "256", "fps": "24"}
    found = values(page_of(signed_in, "waves", **kept))
    assert (found["short_side"], found["fps"]) == (480, 16)
    found = values(page_of(signed_in, "waves", **{**kept, "short_side": "384", "fps": "8"}))
    assert (found["short_side"], found["fps"]) == ("384", "8"), "what somebody chose stays"


def test_a_rate_of_another_model_stays_chosen(signed_in):
    response = page_of(signed_in, "tiny", fps="25")
    assert offered(response, "fps") == [8, 16, 24, 25, 32]
    assert values(response)["fps"] == "25"


@pytest.mark.parametrize("quality", ["draft", "standard", "best"])
@pytest.mark.parametrize("model", ["waves", "waves-fast", "clouds"])
def test_every_quality_makes_the_longest_clip(signed_in, model, quality):
    longest = "3" if model == "clouds" else "5"
    create(signed_in, "simple", {**SIMPLE, "model": model, "quality": quality, "seconds": longest})
    job = Job.objects.get()
    assert job.render_request.motion_adapter == ""
    if quality == "standard":
        assert job.plan["stages"] == ["preprocess", "generate", "assemble"], "nothing to interpolate or upscale"


def test_the_page_says_that_the_models_own_size_and_rate_need_nothing_more(signed_in):
    page = page_of(signed_in, "waves", **WAVES).content.decode()
    assert "Generate 81 frames of 864\u00a0×\u00a0480 in 50 steps." in page
    assert "Crop to 856\u00a0×\u00a0480." in page
    assert "Nothing is interpolated or upscaled" in page
    square = {**WAVES, "aspect": "1:1"}
    assert "itself: nothing is interpolated or upscaled" in page_of(signed_in, "waves", **square).content.decode()
    assert "interpolated or upscaled" not in page_of(signed_in, "tiny").content.decode()
    assert "it is not interpolated" in page_of(signed_in, "waves", **{**WAVES, "short_side": "960"}).content.decode()
    assert "it is not upscaled" in page_of(signed_in, "waves", **{**square, "fps": "32"}).content.decode()
    assert "Nothing is upscaled" in page_of(signed_in, "waves", **{**WAVES, "fps": "32"}).content.decode()


def test_a_clip_at_the_size_it_was_trained_at_is_not_even_fitted(signed_in):
    page = page_of(signed_in, "waves", **{**WAVES, "aspect": "custom", "width": "832", "height": "480"})
    assert "Generate 81 frames of 832\u00a0×\u00a0480 in 50 steps." in page.content.decode()
    assert "Crop to" not in page.content.decode()
    assert "Scale" not in page.content.decode()


def test_a_rate_below_the_models_says_how_many_frames_are_kept(signed_in):
    page = page_of(signed_in, "waves", **{**WAVES, "fps": "8", "seconds": "2"}).content.decode()
    assert "Keep 16 of them, 8 per second." in page


def test_its_own_size_is_suggested(signed_in):
    sides = page_of(signed_in, "waves").context["form"].short_sides
    assert {480, 960} <= set(sides)
    assert min(sides) == 256, "smaller ones take no less work"


def test_create_from_this_fills_in_the_whole_clip(signed_in, user):
    asked = a_request(model="waves", fps=16, seconds=4, width=856, height=480, style_loras=[["foam", 0.5]])
    job = JobFactory(user=user, request=asked)
    response = signed_in.get(reverse("generation:create"), {"from": job.pk, "mode": "advanced"})
    assert not response.context["notes"]
    create(signed_in, "advanced", fields_of(response.content.decode(), "create-form"))
    made = Job.objects.exclude(pk=job.pk).get()
    assert {**made.request, "quality": "", "seed": None} == {**asked, "quality": ""}


def test_what_a_model_has_lost_since_is_left_out_with_a_note(signed_in, user):
    asked = a_request(model="waves", negative_prompt="foam", guidance=6)
    job = JobFactory(user=user, request={**asked, "model": "clouds", "seconds": 9})
    response = signed_in.get(reverse("generation:create"), {"from": job.pk, "mode": "advanced"})
    assert response.context["notes"] == [
        "This model has no negative prompt, so it was left out.",
        "This model has no guidance, so its value was left out.",
        "It was longer than this model makes; the maximum is 3 s.",
    ]
    assert values(response)["seconds"] == 3


def test_its_own_guidance_is_nothing_to_report(signed_in, user):
    job = JobFactory(user=user, request=a_request(model="clouds"))
    response = signed_in.get(reverse("generation:create"), {"from": job.pk})
    assert not response.context["notes"]


def test_a_preset_holds_its_model_and_nothing_that_it_lacks(signed_in, user):
    form = {**WAVES, "model": "clouds", "fps": "25", "seconds": "3", "negative_prompt": "rain", "preset_name": "Sky"}
    signed_in.post(f"{reverse('generation:create-save-preset')}?mode=advanced", form)
    preset = Preset.objects.get()
    assert (preset.settings["model"], preset.settings["motion_adapter"]) == ("clouds", "")
    assert preset.settings["negative_prompt"] == ""
    response = edit(signed_in, f"mode=advanced&preset={preset.pk}", ADVANCED)
    assert (values(response)["model"], values(response)["fps"]) == ("clouds", 25)
    assert not response.context["notes"]


def test_the_page_of_a_video_shows_no_guidance_that_had_no_effect(signed_in, user):
    for model, count in (("clouds", 0), ("waves", 1)):
        video = VideoFactory(user=user, request=a_request(model=model))
        page = signed_in.get(reverse("gallery:video", args=[video.pk])).content.decode()
        assert page.count("<dt>Guidance</dt>") == count
        assert "<dt>Motion adapter</dt>" not in page


def sweep(client, **data):
    return client.post(f"{reverse('generation:create-sweep')}?mode=advanced", {**WAVES, "confirmed": "1", **data})


def test_models_of_several_families_are_compared(signed_in):
    sweep(signed_in, seconds="2", across="model", across_values="waves, tiny, clouds", negative_prompt="rain")
    made = {job.render_request.model: job.render_request for job in Job.objects.all()}
    assert {id: request.motion_adapter for id, request in made.items()} == {
        "waves": "",
        "clouds": "",
        "tiny": "tiny-motion",
    }
    assert {id: request.negative_prompt for id, request in made.items()} == {
        "waves": "rain",
        "clouds": "",
        "tiny": "rain",
    }


def test_a_length_that_one_of_them_does_not_make_is_said(signed_in):
    response = sweep(signed_in, across="model", across_values="waves, clouds")
    assert "Clouds makes at most 3 seconds" in str(response.context["sweep"].errors)
    assert not Job.objects.exists()


def test_guidance_is_not_swept_where_there_is_none(signed_in):
    asked = {"model": "clouds", "fps": "25", "seconds": "2", "across": "guidance", "across_values": "1, 2"}
    response = sweep(signed_in, **asked)
    assert "has no guidance to vary" in str(response.context["sweep"].errors)
    assert not Job.objects.exists()
    assert "guidance" not in [
        id for id, _label in page_of(signed_in, "clouds").context["sweep"].fields["across"].choices
    ]


def test_many_models_are_listed_by_family_and_few_are_not(signed_in, settings, tmp_path):
    assert "<optgroup" not in page_of(signed_in, "waves").content.decode()
    path = tmp_path / "many.toml"
    path.write_text(many_models(30))
    settings.CATALOGUE_FILE = str(path)
    groups = dict(model_choices(available.offer().models()))
    assert list(groups) == ["AuraVideo", "Wan", "clouds", "LTX-Video", "CogVideoX", "HunyuanVideo", "elsewhere"]
    assert sum(map(len, groups.values())) == 34
    response = page_of(signed_in, "model-7", seconds="2")
    assert '<optgroup label="CogVideoX">' in response.content.decode()
    create(signed_in, "advanced", {**WAVES, "model": "model-7", "fps": "25", "seconds": "2"})
    assert Job.objects.get().render_request.model == "model-7"


def test_the_help_page_lists_the_models_with_what_one_must_know(client):
    page = client.get(reverse("help")).content.decode()
    assert "Water in a hurry." in page
    assert "Its licence does not hold below sea level." in page
    assert "eight per second" not in page

"""The two modes of the create page: switching between them keeps all input."""

import pytest
from django.urls import reverse

from generation.create.forms import CreateForm
from generation.models import Job
from generation.requests import available
from tests.generation.create.pages import ADVANCED, SIMPLE, create, edit, values

pytestmark = pytest.mark.django_db


def test_a_sentence_a_shape_a_length_and_a_quality_are_enough(signed_in, user):
    create(signed_in, "simple", SIMPLE)
    request = Job.objects.get(user=user).render_request
    assert (request.width, request.height, request.seconds, request.quality) == (224, 128, 3, "draft")
    assert request.steps < available.catalogue().models["tiny"].steps


def test_everything_can_be_set_in_the_advanced_mode(signed_in, user):
    create(signed_in, "advanced", ADVANCED)
    request = Job.objects.get(user=user).render_request
    assert (request.width, request.height, request.fps, request.format) == (304, 200, 16, "webm")
    assert (request.negative_prompt, request.steps, request.guidance, request.seed) == ("rain", 11, 2.5, 5)
    assert request.quality == ""


def test_a_custom_shape_is_any_width_and_height(signed_in, user):
    create(signed_in, "advanced", {**ADVANCED, "aspect": "custom", "width": "500", "height": "300"})
    request = Job.objects.get(user=user).render_request
    assert (request.width, request.height) == (500, 300)


def test_switching_to_the_advanced_mode_keeps_what_was_typed_and_shows_the_quality_as_numbers(signed_in):
    response = edit(signed_in, "mode=simple&to=advanced", SIMPLE)
    found = values(response)
    assert response.context["form"].mode == "advanced"
    assert (found["prompt"], found["aspect"], found["seconds"]) == (SIMPLE["prompt"], "16:9", "3")
    assert (found["short_side"], found["fps"]) == (128, 16)


def test_switching_there_and_back_loses_nothing(signed_in):
    simple = values(edit(signed_in, "mode=advanced&to=simple", ADVANCED))
    assert simple["quality"] == "custom"
    there_again = values(edit(signed_in, "mode=simple&to=advanced", simple))
    assert {name: str(there_again[name]) for name in ADVANCED} == ADVANCED


def test_a_quality_is_recognised_when_switching_back(signed_in):
    advanced = values(edit(signed_in, "mode=simple&to=advanced", SIMPLE))
    advanced = {name: value for name, value in advanced.items() if value not in (None, "")}
    assert values(edit(signed_in, "mode=advanced&to=simple", advanced))["quality"] == "draft"


def test_switching_keeps_even_invalid_input(signed_in):
    found = values(edit(signed_in, "mode=advanced&to=simple", {**ADVANCED, "prompt": "", "steps": "many"}))
    assert (found["prompt"], found["steps"]) == ("", "many")


def test_switching_queues_nothing(signed_in):
    edit(signed_in, "mode=simple&to=advanced", SIMPLE)
    assert not Job.objects.exists()


def test_what_was_set_in_the_advanced_mode_counts_in_the_simple_one_and_is_said(signed_in, user):
    response = edit(signed_in, "mode=advanced&to=simple", ADVANCED)
    assert "seed 5" in response.content.decode()
    assert "negative prompt" in response.content.decode()
    create(signed_in, "simple", {**values(response), "quality": "standard"})
    request = Job.objects.get(user=user).render_request
    assert (request.seed, request.negative_prompt, request.height, request.fps) == (5, "rain", 256, 24)


def test_the_seed_alone_such_as_that_of_a_draft_is_kept_in_so_many_words(signed_in):
    html = edit(signed_in, "mode=simple", {**SIMPLE, "seed": "5"}).content.decode()
    assert "Keeps seed 5." in html
    assert "Use a new one" in html
    assert "Also set:" not in html


def test_it_can_be_forgotten(signed_in):
    simple = values(edit(signed_in, "mode=advanced&to=simple", ADVANCED))
    response = edit(signed_in, "mode=simple&forget", simple)
    found = values(response)
    assert (found["prompt"], found["seconds"], found["aspect"]) == (ADVANCED["prompt"], "3", "3:2")
    assert (found.get("seed"), found["quality"]) == (None, "standard")
    assert "Also set:" not in response.content.decode()


def test_what_was_typed_for_one_is_there_for_several(signed_in):
    form = edit(signed_in, "mode=simple&to=many", SIMPLE).context["form"]
    assert (form["lines"].value(), form["aspect"].value(), form["quality"].value()) == (
        SIMPLE["prompt"],
        "16:9",
        "draft",
    )


def test_the_mode_is_remembered(signed_in):
    signed_in.get(reverse("generation:create"), {"mode": "advanced"})
    assert signed_in.get(reverse("generation:create")).context["form"].mode == "advanced"
    assert signed_in.get(reverse("generation:create"), {"mode": "nonsense"}).context["form"].mode == "advanced"


def test_a_reload_of_the_changed_form_comes_back_to_the_page(signed_in):
    assert signed_in.get(reverse("generation:create-edit")).url == reverse("generation:create")


def test_an_example_fills_in_the_prompt_by_its_link_alone(signed_in):
    response = signed_in.get(reverse("generation:create"), {"prompt": "a large red heart"})
    assert values(response)["prompt"] == "a large red heart"
    assert "?prompt=a+large+red+heart+rising+over+the+sea" in response.content.decode()


@pytest.mark.parametrize("mode", ["simple", "advanced"])
def test_every_field_that_is_shown_is_explained(signed_in, mode):
    response = signed_in.get(reverse("generation:create"), {"mode": mode})
    fields = response.context["form"].visible_fields()
    assert len(fields) >= 4
    assert all(str(field.help_text) in response.content.decode() for field in fields)
    assert all(field.help_text for field in fields)


def test_a_form_says_what_it_holds_whether_typed_or_not():
    assert CreateForm(mode="advanced").values()["aspect"] == "1:1"
    assert CreateForm({"aspect": "3:2"}, mode="advanced").values()["aspect"] == "3:2"

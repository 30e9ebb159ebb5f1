"""Style LoRAs in the form: a kind of their own, shown only where there are any, with strengths from -2 to 2."""

import pytest
from django.urls import reverse

from generation.models import Job
from generation.requests import available
from generation.requests.request import InvalidRequest, parse
from tests.factories import JobFactory, a_request
from tests.generation.create.pages import ADVANCED, create, edit, values
from tests.generation.create.test_camera_motions import CATALOGUE
from workers import engine_factory

pytestmark = pytest.mark.django_db


@pytest.fixture
def _styles(settings, tmp_path):
    path = tmp_path / "catalogue.toml"
    path.write_text(CATALOGUE)
    settings.CATALOGUE_FILE = str(path)


def page_of(client, **data):
    return edit(client, "mode=advanced", {**ADVANCED, **data})


def test_a_site_without_styles_does_not_mention_them(signed_in):
    assert ">Styles<" not in page_of(signed_in).content.decode()


@pytest.mark.usefixtures("_styles")
def test_only_styles_of_the_models_family_that_are_here_are_offered(signed_in):
    response = page_of(signed_in)
    assert [style.id for style in response.context["form"].styles] == ["ink"]
    assert "ink" not in {lora.id for lora in response.context["form"].camera_motions}
    page = response.content.decode()
    assert ">Styles<" in page
    assert "Drawn with a brush." in page
    # A style depends on the base model alone, a camera motion on the adapter.
    assert [style.id for style in page_of(signed_in, motion_adapter="still").context["form"].styles] == ["ink"]


@pytest.mark.usefixtures("_styles")
@pytest.mark.parametrize("strength", ["-2", "-0.35", "1.5", "2"])
def test_a_style_has_the_strength_that_was_given(signed_in, strength):
    create(signed_in, "advanced", {**ADVANCED, "lora-ink": strength, "lora-push": "0.5"})
    request = Job.objects.get().render_request
    assert (request.style_loras, request.motion_loras) == ((("ink", float(strength)),), (("push", 0.5),))


@pytest.mark.usefixtures("_styles")
@pytest.mark.parametrize("strength", ["2.1", "-2.05", "NaN", "much"])
def test_a_strength_beyond_two_is_reported_at_its_field(signed_in, strength):
    response = create(signed_in, "advanced", {**ADVANCED, "lora-ink": strength})
    assert list(response.context["form"].errors) == ["lora-ink"]
    assert not Job.objects.exists()


@pytest.mark.usefixtures("_styles")
def test_styles_survive_the_simple_mode_and_are_said_there(signed_in):
    response = edit(signed_in, "mode=advanced&to=simple", {**ADVANCED, "lora-ink": "-0.5"})
    assert "Ink" in response.context["kept"]
    create(signed_in, "simple", values(response))
    assert Job.objects.get().render_request.style_loras == (("ink", -0.5),)


@pytest.mark.usefixtures("_styles")
def test_creating_from_a_job_brings_its_styles_back_and_names_what_is_gone(signed_in, user):
    job = JobFactory(user=user, request={**a_request(), "style_loras": [["ink", -0.3], ["gone", 1]]})
    response = signed_in.get(reverse("generation:create"), {"from": job.pk, "mode": "advanced"})
    assert values(response)["lora-ink"] == -0.3
    assert "The style gone is not on this machine" in response.content.decode()


@pytest.mark.usefixtures("_styles")
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("ink:2.5", "between -2 and 2"),
        ("ink:nan", "between -2 and 2"),
        ("large", "does not fit this model"),
        ("push", "does not fit this model"),
        ("ink,ink", "once, and at most 8"),
        (5, "Styles look like this"),
    ],
)
def test_styles_of_a_batch_are_checked_as_well(value, says):
    with pytest.raises(InvalidRequest) as caught:
        parse({"prompt": "a star", "style_loras": value}, available.catalogue(), available.limits())
    assert says in str(caught.value)


@pytest.mark.usefixtures("_styles")
def test_the_worker_gets_motions_and_styles_with_their_labels():
    chosen = {"prompt": "a star", "style_loras": "ink:-0.5", "motion_loras": "push"}
    request = parse(chosen, available.catalogue(), available.limits())
    found = [(lora.label, lora.weight, lora.path.name) for lora in engine_factory.loras(request)]
    assert found == [("Push", 1.0, "config.json"), ("Ink", -0.5, "config.json")]


@pytest.mark.usefixtures("_styles")
def test_a_motion_lora_is_no_style_and_a_style_no_camera_motion():
    with pytest.raises(InvalidRequest, match="camera motion ink does not fit"):
        parse({"prompt": "a star", "motion_loras": "ink"}, available.catalogue(), available.limits())

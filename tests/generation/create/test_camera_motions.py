"""Models, motion adapters and camera motions in the form: only compatible, installed ones are offered and accepted."""

import pytest
from django.urls import reverse

from generation.models import Job
from tests.factories import JobFactory, a_request
from tests.generation.create.pages import ADVANCED, create, edit, values

pytestmark = pytest.mark.django_db

CATALOGUE = """
[models.other]
label = "Other world"
purpose = "Another one."
family = "tiny"
builtin = true
folder = "text-to-video"
licence = "as AuraVideo"
native_size = 64
min_size = 64
native_fps = 8
steps = 20
guidance = 5.0
scheduler = { class = "DDIMScheduler" }
adapter = "still"
interpolator = "tiny-film"
upscaler = "tiny-esrgan"
files = ["model_index.json"]

[adapters.still]
label = "Still"
purpose = "Hardly moves."
family = "tiny"
builtin = true
folder = "motion-adapter"
licence = "as AuraVideo"
context_length = 17
context_stride = 4
max_frames = 32
steps = 4
guidance = 1.0

[loras.push]
label = "Push"
purpose = "The camera moves in."
family = "tiny"
builtin = true
folder = "motion-adapter"
weights = "config.json"
adapters = ["tiny-motion"]
licence = "as AuraVideo"

[styles.ink]
label = "Ink"
purpose = "Drawn with a brush."
family = "tiny"
builtin = true
folder = "motion-adapter"
weights = "config.json"
licence = "as AuraVideo"

[styles.gone]
label = "Gone"
purpose = "Is not on this machine, either."
family = "tiny"
repo = "nobody/gone"
weights = "gone.safetensors"
licence = "as AuraVideo"

[styles.large]
label = "Large"
purpose = "Is for other models."
family = "sd15"
builtin = true
folder = "motion-adapter"
weights = "config.json"
licence = "as AuraVideo"

[loras.away]
label = "Away"
purpose = "Is not on this machine."
family = "tiny"
repo = "nobody/away"
adapters = ["tiny-motion"]
licence = "as AuraVideo"
"""


@pytest.fixture(autouse=True)
def _catalogue(settings, tmp_path):
    path = tmp_path / "catalogue.toml"
    path.write_text(CATALOGUE)
    settings.CATALOGUE_FILE = str(path)


def form_for(client, **data):
    return edit(client, "mode=advanced", {**ADVANCED, **data}).context["form"]


def test_a_camera_motion_has_the_strength_that_was_given(signed_in):
    create(signed_in, "advanced", {**ADVANCED, "lora-push": "0.8"})
    assert Job.objects.get().render_request.motion_loras == (("push", 0.8),)


@pytest.mark.parametrize("strength", ["", "0"])
def test_a_camera_motion_without_strength_is_left_out(signed_in, strength):
    create(signed_in, "advanced", {**ADVANCED, "lora-push": strength})
    assert Job.objects.get().render_request.motion_loras == ()


@pytest.mark.parametrize("strength", ["1.1", "-0.1", "NaN", "inf", "much"])
def test_an_invalid_strength_is_reported_at_its_field(signed_in, strength):
    response = create(signed_in, "advanced", {**ADVANCED, "lora-push": strength})
    assert list(response.context["form"].errors) == ["lora-push"]
    assert not Job.objects.exists()


def test_only_compatible_installed_camera_motions_are_offered(signed_in):
    assert [lora.id for lora in form_for(signed_in).camera_motions] == ["push"]
    assert form_for(signed_in, motion_adapter="still").camera_motions == []
    page = edit(signed_in, "mode=advanced", {**ADVANCED, "lora-away": "1"}).content.decode()
    assert "The camera moves in." in page
    assert "lora-away" not in page


def test_another_model_brings_its_own_adapter_and_what_suits_it(signed_in):
    form = form_for(signed_in, model="other", motion_adapter="nonsense", steps="", guidance="")
    assert form["motion_adapter"].value() == "still"
    assert form.fields["steps"].widget.attrs["placeholder"] == 4
    assert form.fields["guidance"].widget.attrs["placeholder"] == 1.0


@pytest.mark.parametrize(
    ("changes", "field"), [({"motion_adapter": "animatelcm"}, "motion_adapter"), ({"model": "epicrealism"}, "model")]
)
def test_incompatible_or_missing_entries_are_refused(signed_in, changes, field):
    response = create(signed_in, "advanced", {**ADVANCED, **changes})
    assert field in response.context["form"].errors
    assert not Job.objects.exists()


def test_creating_from_a_job_brings_its_camera_motions_back(signed_in, user):
    job = JobFactory(user=user, request=a_request(motion_loras={"push": 0.3}))
    found = values(signed_in.get(reverse("generation:create"), {"from": job.pk, "mode": "advanced"}))
    assert found["lora-push"] == 0.3


def test_camera_motions_survive_the_simple_mode_and_are_said_there(signed_in):
    response = edit(signed_in, "mode=advanced&to=simple", {**ADVANCED, "lora-push": "0.5"})
    assert "Push" in response.context["kept"]
    create(signed_in, "simple", values(response))
    assert Job.objects.get().render_request.motion_loras == (("push", 0.5),)


def test_a_camera_motion_that_is_gone_is_said(signed_in, user):
    job = JobFactory(user=user, request={**a_request(), "motion_loras": [["away", 0.3]]})
    page = signed_in.get(reverse("generation:create"), {"from": job.pk}).content.decode()
    assert "The camera motion away is not on this machine" in page


def test_the_form_starts_with_an_available_model_if_the_default_is_missing(signed_in, settings, tmp_path):
    path = tmp_path / "away.toml"
    path.write_text(CATALOGUE.replace("[models.other]", "[models.dreamshaper-8]\ndefault = true\n\n[models.other]"))
    settings.CATALOGUE_FILE = str(path)
    form = signed_in.get(reverse("generation:create"), {"mode": "simple"}).context["form"]
    assert form["model"].value() == "tiny"
    create(signed_in, "simple", {"prompt": "a red heart", "aspect": "1:1", "seconds": "2", "quality": "draft"})
    assert Job.objects.get().request["model"] == "tiny"

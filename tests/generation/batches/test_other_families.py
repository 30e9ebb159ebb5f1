"""Batches with models of other families: what a row asks for and its model lacks is reported by line and field."""

import pytest
from django.urls import reverse

from generation.models import Job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("other_families")]

SETTINGS = {"aspect": "16:9", "seconds": "3", "quality": "standard"}


def post(client, lines, **changes):
    return client.post(reverse("generation:create-many"), {"lines": lines, **SETTINGS, **changes})


def test_each_row_gets_the_size_rate_and_steps_of_its_model(signed_in):
    post(signed_in, "prompt,model\na wave,waves\na wave,waves-fast\na cloud,clouds\na heart,tiny\n")
    found = [job.render_request for job in Job.objects.order_by("row")]
    assert [(one.height, one.fps, one.steps, one.motion_adapter) for one in found] == [
        (480, 16, 50, ""),
        (480, 16, 4, ""),
        (512, 25, 8, ""),
        (256, 24, 16, "tiny-motion"),
    ]


def test_what_a_model_lacks_is_reported_and_nothing_is_queued(signed_in):
    lines = (
        "prompt,model,negative_prompt,guidance,motion_adapter,seconds\n"
        "a wave,waves,rain,6,,5\n"
        "a wave,waves-fast,rain,,,\n"
        "a cloud,clouds,,6,tiny-motion,\n"
        "a cloud,clouds,,,,4\n"
    )
    response = post(signed_in, lines)
    assert [(problem["line"], problem["field"]) for problem in response.context["form"].problems] == [
        (3, "negative_prompt"),
        (4, "motion_adapter"),
        (4, "guidance"),
        (5, "seconds"),
    ]
    assert not Job.objects.exists()


def test_lengths_are_offered_up_to_what_any_model_makes(signed_in, settings, tmp_path):
    address = reverse("generation:create-many")
    form = signed_in.get(address).context["form"]
    assert len(form.fields["seconds"].choices) == 10
    path = tmp_path / "families.toml"
    path.write_text(path.read_text() + "[models.tiny]\nmax_frames = 65\n")
    form = signed_in.get(address).context["form"]
    assert len(form.fields["seconds"].choices) == 8

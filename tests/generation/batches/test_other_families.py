"""Batches with models of other families: what a row asks for and its model lacks is reported by line and field."""

from dataclasses import replace

import pytest
from django.urls import reverse

from generation.batches import services as batches
from generation.batches.parsing import read_rows
from generation.models import Job
from generation.queue import services

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("other_families")]

SETTINGS = {"aspect": "16:9", "seconds": "3", "quality": "standard"}


@pytest.fixture
def shaped(other_families, native_sizes):
    """Add the models with native sizes by shape, too."""


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


@pytest.mark.usefixtures("shaped")
def test_a_file_without_sizes_gets_those_with_which_the_form_opens(user):
    lines = b"prompt,model,size\na wave,tides,\na lake,lake,\na wave,tides,256x256\na heart,,\n"
    found = [entry.request for entry in batches.check(read_rows(lines))]
    assert [(one.width, one.height) for one in found] == [(856, 480), (640, 640), (256, 256), (256, 256)]


@pytest.mark.usefixtures("shaped")
def test_a_batch_that_was_queued_smaller_is_continued_as_it_was(user):
    rows = read_rows(b"prompt,model\na wave,tides\na lake,lake\n")
    batch, _is_new = batches.open_batch(user, "waves.csv", rows)
    earlier = replace(batches.check(rows)[0].request, width=256, height=256)
    job = services.submit(user, earlier, batch=batch, row=1)
    services.cancel(job)
    again, is_new = batches.open_batch(user, "waves.csv", rows)
    list(batches.Feed(again, batches.check(rows)).advance())
    sizes = [(job.render_request.width, job.render_plan.width) for job in Job.objects.order_by("row")]
    assert (is_new, sizes) == (False, [(256, 256), (640, 640)])


@pytest.mark.usefixtures("shaped")
def test_the_shape_and_quality_of_the_page_rule_there(signed_in):
    post(signed_in, "prompt,model,size\na wave,tides,\na wave,tides,512x512\n", aspect="1:1", quality="draft")
    found = [job.render_request for job in Job.objects.order_by("row")]
    assert [(one.width, one.height) for one in found] == [(256, 256), (512, 512)]


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


def test_the_page_names_what_a_row_can_set_and_the_models(signed_in, settings):
    page = signed_in.get(reverse("generation:create-many")).content.decode()
    for name in ("negative_prompt", "size", "style_loras"):
        assert f'<code translate="no">{name}</code>' in page
    assert '<code translate="no">waves-fast</code> (Waves, 4 steps)' in page
    assert "epicrealism" not in page, "it is not on this machine"
    settings.CATALOGUE_FILE = None
    assert "These are the models" not in signed_in.get(reverse("generation:create-many")).content.decode()


def test_lengths_are_offered_up_to_what_any_model_makes(signed_in, settings, tmp_path):
    address = reverse("generation:create-many")
    form = signed_in.get(address).context["form"]
    assert len(form.fields["seconds"].choices) == 10
    path = tmp_path / "families.toml"
    path.write_text(path.read_text() + "[models.tiny]\nmax_frames = 65\n")
    form = signed_in.get(address).context["form"]
    assert len(form.fields["seconds"].choices) == 8

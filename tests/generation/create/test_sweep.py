"""Trying several values: shown as a number of clips and a grid first, then queued as one batch to compare."""

import re

import pytest
from django.utils import timezone

from accounts.models import User
from generation.batches.variations import MAX_COMPARED
from generation.domain.stages import STAGES
from generation.jobs import forecast
from generation.models import Batch, BlockedTerm, Job
from generation.queue import roster
from tests.factories import JobFactory, WorkerFactory

pytestmark = pytest.mark.django_db

URL = "/create/sweep/"
GOOD = {"prompt": "a red heart", "aspect": "1:1", "short_side": "256", "seconds": "2", "fps": "24", "format": "mp4"}
GOOD |= {"model": "tiny", "across": "guidance", "across_values": "3, 5", "down": "words", "down_values": "red → blue"}


def post(client, **changes):
    return client.post(URL, {**GOOD, **changes})


def test_the_clips_are_counted_and_laid_out_before_anything_is_queued(signed_in):
    html = post(signed_in).content.decode()
    assert not Job.objects.exists()
    assert "<h1>4 clips</h1>" in html
    assert "Make 4 clips" in html
    assert "Takes about" in html
    assert html.count('scope="col"') == html.count('scope="row"') == 2
    assert html.count("sweep__cell") == 4


def test_the_time_includes_what_is_ahead_in_the_queue(signed_in, user):
    assert "Starts right away." in post(signed_in).content.decode()
    JobFactory(status="queued")
    forecast.forget()
    assert "1 clip ahead in the queue" in post(signed_in).content.decode()
    for spec in STAGES.values():
        WorkerFactory(queues=[spec.queue])
    forecast.forget()
    roster._capacity.cache_clear()
    assert re.search(r"All ready in about \d", post(signed_in).content.decode())
    User.objects.filter(pk=user.pk).update(queue_paused_at=timezone.now())
    assert "Your queue is paused" in post(signed_in).content.decode()


def test_confirmed_it_is_a_batch_with_its_axes_opened_in_the_comparison(signed_in, user):
    html = post(signed_in).content.decode()
    sent = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html))
    assert sent.items() >= GOOD.items()
    response = signed_in.post(URL, {**sent, "confirmed": "1"})
    batch = Batch.objects.get(user=user)
    assert response.url == f"/videos/compare/?batch={batch.pk}"
    assert batch.axes == [{"field": "guidance", "values": [3.0, 5.0]}, {"field": "words", "values": ["red", "blue"]}]
    made = [(job.request["prompt"], job.request["guidance"]) for job in batch.jobs.order_by("row")]
    assert made == [("a red heart", 3.0), ("a red heart", 5.0), ("a blue heart", 3.0), ("a blue heart", 5.0)]
    assert len(set(batch.jobs.values_list("seed", flat=True))) == 1
    html = signed_in.get(response.url).content.decode()
    assert re.findall(r'scope="(\w+)"><span class="dim">([\w ]+)</span>\s*([\w.]+)', html) == [
        ("col", "Guidance", "3.0"), ("col", "Guidance", "5.0"), ("row", "Prompt words", "red"),
        ("row", "Prompt words", "blue"),
    ]  # fmt: skip
    assert html.count("<td><article") == 4


def test_a_single_setting_is_a_single_row(signed_in, user):
    post(signed_in, down="", down_values="", confirmed="1")
    batch = Batch.objects.get(user=user)
    assert [axis["field"] for axis in batch.axes] == ["guidance"]
    html = signed_in.get(f"/videos/compare/?batch={batch.pk}").content.decode()
    assert (html.count('scope="col"'), html.count('scope="row"'), html.count("<td><article")) == (2, 0, 2)


def test_a_deleted_clip_leaves_its_place_empty(signed_in, user):
    post(signed_in, confirmed="1")
    batch = Batch.objects.get(user=user)
    batch.jobs.get(row=2).delete()
    html = signed_in.get(f"/videos/compare/?batch={batch.pk}").content.decode()
    cells = re.findall(r"<td>(?:<article[^>]*id=\"clip-([0-9a-f-]+)\"|<span)", html)
    rows = {str(job.pk): job.row for job in batch.jobs.all()}
    assert [rows.get(cell) for cell in cells] == [1, None, 3, 4]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"across_values": ""}, "across_values"),
        ({"across_values": "3"}, "across_values"),
        ({"across_values": "3, 99"}, "across_values"),
        ({"across": "nonsense"}, "across"),
        ({"down_values": "dragon → cat"}, "down_values"),
        ({"down": "guidance", "down_values": "1, 2"}, "down"),
        ({"down": ""}, "down"),
        ({"across": "seed", "across_values": "1-12", "down": "steps", "down_values": "1-4"}, "across_values"),
        ({"down_values": "red → toy gun"}, "across_values"),
    ],
)
def test_what_cannot_be_rendered_is_reported_at_its_field_and_queues_nothing(signed_in, changes, field):
    BlockedTerm.objects.create(term="toy gun")
    for confirmed in ({}, {"confirmed": "1"}):
        response = post(signed_in, **changes, **confirmed)
        assert response.status_code == 200
        assert list(response.context["sweep"].errors) == [field]
    assert not Job.objects.exists()
    assert "a red heart" in response.content.decode()


def test_an_invalid_form_is_reported_before_the_sweep(signed_in):
    response = post(signed_in, prompt="")
    assert list(response.context["form"].errors) == ["prompt"]
    assert not Job.objects.exists()


def test_the_limit_of_waiting_clips_holds_for_all_of_them(signed_in, settings):
    settings.MAX_ACTIVE_JOBS = 3
    response = post(signed_in, confirmed="1")
    assert "At most 3 of your clips" in response.content.decode()
    assert not Job.objects.exists()
    assert not Batch.objects.exists()


def test_no_sweep_is_larger_than_a_grid(signed_in):
    html = post(signed_in, across="seed", across_values="1-12", down="steps", down_values="1-4").content.decode()
    assert f"That is 48 clips, and one grid has room for {MAX_COMPARED}." in html


def test_the_values_can_be_changed_once_more(signed_in):
    html = signed_in.post("/create/edit/?mode=advanced", GOOD).content.decode()
    assert 'value="3, 5"' in html
    assert re.search(r'<details class="more" open id="sweep">', html)


def test_the_simple_page_knows_no_sweeps(signed_in):
    assert 'id="sweep"' not in signed_in.get("/create/?mode=simple").content.decode()
    assert 'id="sweep"' in signed_in.get("/create/?mode=advanced").content.decode()

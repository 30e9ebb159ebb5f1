"""The page that asks for a clip: bad input is answered at its field, and nothing of somebody else's is shown."""

import pytest
from django.urls import reverse

from generation.domain.states import Status
from generation.models import Job
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db

GOOD = {
    "prompt": "a red heart rising over the sea",
    "negative_prompt": "",
    "aspect": "1:1",
    "short_side": "256",
    "seconds": "2",
    "fps": "24",
    "format": "mp4",
    "model": "tiny",
    "steps": "",
    "guidance": "",
    "seed": "",
}


def post(client, **changes):
    return client.post(reverse("generation:create") + "?mode=advanced", {**GOOD, **changes})


def test_a_good_request_becomes_a_queued_job_and_its_page(signed_in, user):
    response = post(signed_in, seed="7")
    job = Job.objects.get(user=user)
    assert response.url == reverse("generation:job", args=[job.pk])
    assert (job.status, job.seed, job.request["width"]) == (Status.QUEUED, 7, 256)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""),
        ("prompt", "   "),
        ("prompt", "x" * 10_000),
        ("prompt", "a \x07 bell"),
        ("prompt", "a \u202e turn"),
        ("negative_prompt", "x" * 10_000),
        ("aspect", "5:4"),
        ("short_side", "255"),
        ("short_side", "99999"),
        ("short_side", "nonsense"),
        ("short_side", "1024"),
        ("seconds", "100"),
        ("seconds", "0"),
        ("seconds", "1.5"),
        ("fps", "7"),
        ("format", "avi"),
        ("model", "no-such-model"),
        ("steps", "0"),
        ("steps", "1000000"),
        ("steps", "many"),
        ("guidance", "NaN"),
        ("guidance", "inf"),
        ("guidance", "-1"),
        ("seed", "-1"),
        ("seed", str(2**40)),
    ],
)
def test_bad_input_is_answered_at_its_field_and_queues_nothing(signed_in, field, value):
    response = post(signed_in, **{field: value})
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert not Job.objects.exists()


def test_what_was_typed_is_kept_when_something_else_was_wrong(signed_in):
    response = post(signed_in, fps="7")
    assert b"a red heart rising over the sea" in response.content


def test_a_full_queue_is_answered_on_the_page(signed_in, user, settings):
    settings.MAX_ACTIVE_JOBS = 0
    response = post(signed_in)
    assert response.context["form"].non_field_errors()


def test_creating_again_fills_in_the_request_with_its_seed(signed_in, user):
    job = JobFactory(user=user, seed=99)
    form = signed_in.get(reverse("generation:create"), {"from": job.pk}).context["form"]
    assert (form["prompt"].value(), form["seed"].value()) == (job.request["prompt"], 99)


@pytest.mark.parametrize("id", ["", "x", "00000000-0000-0000-0000-000000000000"])
def test_creating_again_from_nothing_shows_the_empty_form(signed_in, id):
    assert not signed_in.get(reverse("generation:create"), {"from": id}).context["form"]["prompt"].value()


def test_creating_again_from_somebody_elses_job_shows_nothing_of_it(signed_in, other_user):
    job = JobFactory(user=other_user)
    form = signed_in.get(reverse("generation:create"), {"from": job.pk}).context["form"]
    assert not form["prompt"].value()


def test_who_is_not_signed_in_is_asked_to(client):
    assert client.get(reverse("generation:create")).url.startswith(reverse("account_login"))

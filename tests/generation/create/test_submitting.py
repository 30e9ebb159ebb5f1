"""Submitting the create page: valid input is queued, invalid input is reported at its field."""

import pytest
from django.test import Client
from django.urls import reverse

from generation.domain.states import Status
from generation.models import Job
from generation.requests.fields import MAX_SEED
from tests.generation.create.pages import ADVANCED, SIMPLE, create

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
        ("seed", "-2"),
        ("seed", str(2**40)),
    ],
)
def test_invalid_input_is_reported_at_its_field_and_queues_nothing(signed_in, field, value):
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


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"width": ""}, "width"),
        ({"height": ""}, "height"),
        ({"width": "501"}, "width"),
        ({"height": "100"}, "height"),
        ({"width": "99999"}, "width"),
    ],
)
def test_an_impossible_custom_shape_is_reported_at_its_field(signed_in, changes, field):
    response = create(
        signed_in, "advanced", {**ADVANCED, "aspect": "custom", "width": "500", "height": "300", **changes}
    )
    assert list(response.context["form"].errors) == [field]
    assert not Job.objects.exists()


def test_a_longer_side_above_the_operators_limit_says_what_fits(signed_in, settings):
    settings.MAX_SIDE = 400
    response = create(signed_in, "advanced", {**ADVANCED, "aspect": "16:9", "short_side": "256"})
    assert "At most" in str(response.context["form"].errors["short_side"])
    fits = response.context["form"].errors["short_side"].as_text().split("At most ")[1].split()[0]
    assert create(signed_in, "advanced", {**ADVANCED, "aspect": "16:9", "short_side": fits}).status_code == 302


@pytest.mark.parametrize("field", ["prompt", "aspect", "seconds", "quality"])
def test_invalid_input_in_the_simple_mode_is_reported_at_its_field(signed_in, field):
    response = create(signed_in, "simple", {**SIMPLE, field: "\x07"})
    assert list(response.context["form"].errors) == [field]
    assert not Job.objects.exists()


def test_invalid_input_hidden_by_the_simple_mode_is_still_reported(signed_in):
    response = create(signed_in, "simple", {**SIMPLE, "guidance": "a lot"})
    assert "Guidance: Enter a number." in response.content.decode()
    assert not Job.objects.exists()


def test_variations_of_a_seed_have_that_seed_and_those_that_follow(signed_in, user):
    response = create(signed_in, "advanced", {**ADVANCED, "variations": "3", "seed": str(MAX_SEED - 1)})
    assert response.url == reverse("generation:jobs")
    assert set(Job.objects.values_list("seed", flat=True)) == {MAX_SEED - 1, MAX_SEED, 0}


def test_variations_without_a_seed_have_a_new_one_each(signed_in):
    create(signed_in, "advanced", {**ADVANCED, "variations": "8", "seed": ""})
    assert len(set(Job.objects.values_list("seed", flat=True))) == 8


@pytest.mark.parametrize("count", ["0", "9", "1000000", "-1", "x"])
def test_the_number_of_variations_is_bounded(signed_in, count):
    response = create(signed_in, "advanced", {**ADVANCED, "variations": count})
    assert list(response.context["form"].errors) == ["variations"]
    assert not Job.objects.exists()


def test_all_variations_are_queued_or_none(signed_in, settings):
    settings.MAX_ACTIVE_JOBS = 3
    response = create(signed_in, "advanced", {**ADVANCED, "variations": "4"})
    assert response.context["form"].non_field_errors()
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    "name", ["create", "create-edit", "create-summary", "create-from-file", "create-save-preset", "create-many"]
)
def test_posts_without_the_csrf_token_are_refused(user, name):
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(reverse(f"generation:{name}"), SIMPLE).status_code == 403


@pytest.mark.parametrize("name", ["create-summary", "create-from-file", "create-save-preset"])
def test_anonymous_posts_are_asked_to_sign_in(client, name):
    assert client.post(reverse(f"generation:{name}"), SIMPLE).url.startswith(reverse("account_login"))


def test_the_page_asks_anonymous_visitors_to_sign_in(client):
    assert client.get(reverse("generation:create")).url.startswith(reverse("account_login"))


@pytest.mark.parametrize("number", ["1" + "0" * 400, "100000", "0" * 5000 + "128", "9" * 5000])
@pytest.mark.parametrize("changes", [{"aspect": "16:9"}, {"aspect": "custom"}])
@pytest.mark.parametrize("name", ["create", "create-edit", "create-summary", "create-save-preset"])
def test_numbers_without_end_are_wrong_and_break_nothing(signed_in, name, changes, number):
    sizes = {"short_side": number, "width": number, "height": number}
    address = f"{reverse(f'generation:{name}')}?mode=advanced&to=simple"
    assert signed_in.post(address, {**ADVANCED, **changes, **sizes, "name": "x"}).status_code == 200
    simple = f"{reverse(f'generation:{name}')}?mode=simple&to=advanced"
    assert signed_in.post(simple, {**SIMPLE, **changes, **sizes, "name": "x"}).status_code in (200, 302)

"""Who submits far too fast is told to wait, without losing what was typed. Everybody else is left alone."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from redis import ConnectionError as RedisIsGone

from generation.domain.states import Status
from generation.models import Job
from tests.factories import JobFactory
from tests.generation.create.pages import SIMPLE, create, values

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _two_a_minute(settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"submit": "2/m/user"}


def submit_twice(client) -> None:
    for _ in range(2):
        assert create(client, "simple", SIMPLE).status_code == 302


def test_the_third_clip_within_a_minute_is_refused_with_the_form_as_typed(signed_in, user):
    submit_twice(signed_in)
    refused = create(signed_in, "simple", {**SIMPLE, "prompt": "a blue star"})
    assert (refused.status_code, refused["Retry-After"]) == (429, "15")
    assert values(refused)["prompt"] == "a blue star"
    assert "You are submitting too fast" in refused.content.decode()
    assert Job.objects.filter(user=user).count() == 2


def test_mistakes_are_not_counted_and_pages_are_not_limited(signed_in):
    for _ in range(5):
        assert create(signed_in, "simple", {**SIMPLE, "prompt": ""}).status_code == 200
        assert signed_in.get(reverse("generation:create")).status_code == 200
    submit_twice(signed_in)


def test_it_counts_by_account_whatever_the_browser_says(signed_in, user, other_user):
    submit_twice(signed_in)
    elsewhere, other = Client(), Client()
    elsewhere.force_login(user)
    other.force_login(other_user)
    headers = {"X-Forwarded-For": "192.0.2.7", "User-Agent": "another"}
    address = reverse("generation:create")
    assert elsewhere.post(address, SIMPLE, headers=headers, REMOTE_ADDR="192.0.2.8").status_code == 429
    submit_twice(other)


def test_a_batch_counts_as_one_and_keeps_its_lines(signed_in, user):
    lines = {"lines": "a heart\na star\na circle", "aspect": "1:1", "seconds": "2", "quality": "draft"}
    address = reverse("generation:create-many")
    for seconds in ("1", "2"):
        assert signed_in.post(address, {**lines, "seconds": seconds}).status_code == 302
    refused = signed_in.post(address, {**lines, "lines": "a cross"})
    assert refused.status_code == 429
    assert "a cross" in refused.content.decode()
    from_file = {**lines, "lines": "", "file": SimpleUploadedFile("prompts.txt", b"a cross")}
    assert signed_in.post(address, from_file).status_code == 429
    assert Job.objects.filter(user=user).count() == 6


def test_trying_again_counts_too(signed_in, user):
    submit_twice(signed_in)
    failed = JobFactory(user=user, status=Status.FAILED)
    address = reverse("generation:retry", args=[failed.pk])
    refused = signed_in.post(address, headers={"HX-Request": "true"})
    assert (refused.status_code, refused["Content-Type"]) == (429, "text/plain; charset=utf-8")
    page = signed_in.post(address, follow=True).content.decode()
    assert "You are submitting too fast" in page
    failed.refresh_from_db()
    assert failed.status == Status.FAILED


def test_without_redis_nobody_is_refused(signed_in, monkeypatch, caplog):
    def gone(*_args, **_kwargs):
        raise RedisIsGone

    monkeypatch.setattr("accounts.limits.ratelimit.consume", gone)
    for _ in range(3):
        assert create(signed_in, "simple", SIMPLE).status_code == 302
    assert "Nobody is limited (submit)" in caplog.text


def test_every_other_limit_says_when_to_come_back(client, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"signup": "1/m/ip"}
    client.post(reverse("account_signup"), {})
    refused = client.post(reverse("account_signup"), {})
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert refused["Content-Type"].startswith("text/html")
    sentence = client.post(reverse("account_signup"), {}, headers={"HX-Request": "true"})
    assert (sentence.status_code, sentence["Content-Type"]) == (429, "text/plain; charset=utf-8")

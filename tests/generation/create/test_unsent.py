"""A form that is posted after the session has expired is there again after signing in."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse

from generation.create import unsent
from generation.models import Job
from tests.factories import PASSWORD, UserFactory
from tests.generation.create.pages import ADVANCED, SIMPLE, values
from tests.html_forms import fields_of

pytestmark = pytest.mark.django_db

CREATE = reverse("generation:create")
TYPED = {"simple": {**SIMPLE, "prompt": "a blue star, typed for an hour"}, "advanced": {**ADVANCED, "steps": "many"}}


def fill_in(client, mode="simple", **changes):
    """Return the create form as its user filled it in."""
    shown = fields_of(client.get(f"{CREATE}?mode={mode}").text, "create-form")
    return {**shown, **TYPED[mode], **changes}


def expire(client):
    Session.objects.all().delete()


def sign_in(client, redirect, user):
    """Sign in on the page that a response redirects to; return the page after that."""
    address = redirect.headers.get("HX-Redirect") or redirect.url
    return client.post(address, {"login": user.username, "password": PASSWORD}, follow=True)


def text_of(typed):
    return {name: str(value) for name, value in typed.items()}


@pytest.mark.parametrize("mode", ["simple", "advanced"])
def test_the_form_is_as_typed_after_signing_in(signed_in, user, mode):
    typed = fill_in(signed_in, mode)
    expire(signed_in)
    page = sign_in(signed_in, signed_in.post(f"{CREATE}?mode={mode}", typed), user)
    assert page.status_code == 200
    assert page.context["mode"] == mode
    shown = text_of(values(page))
    assert {name: shown.get(name) for name in TYPED[mode]} == TYPED[mode]
    assert "The form is as you left it" in page.text
    assert not Job.objects.exists()


@pytest.mark.parametrize("action", ["create", "create-sweep"])
def test_the_values_to_try_are_kept_with_the_form(signed_in, user, action):
    sweep = {"across": "steps", "across_values": "4, 8", "down": "seed", "down_values": "1-3"}
    typed = fill_in(signed_in, "advanced", **sweep)
    expire(signed_in)
    page = sign_in(signed_in, signed_in.post(f"{reverse(f'generation:{action}')}?mode=advanced", typed), user)
    shown = fields_of(page.text, "create-form")
    assert {name: shown[name] for name in sweep} == sweep


@pytest.mark.parametrize("action", ["create-edit", "create-save-preset", "create-from-file", "create-summary"])
def test_whatever_button_was_pressed(signed_in, user, action):
    typed = fill_in(signed_in)
    expire(signed_in)
    headers = {"HX-Request": "true"} if action == "create-summary" else {}
    page = sign_in(signed_in, signed_in.post(reverse(f"generation:{action}"), typed, headers=headers), user)
    assert page.request["PATH_INFO"] == CREATE
    assert values(page)["prompt"] == TYPED["simple"]["prompt"]


def test_the_form_is_shown_once(signed_in, user):
    typed = fill_in(signed_in)
    expire(signed_in)
    sign_in(signed_in, signed_in.post(CREATE, typed), user)
    assert values(signed_in.get(CREATE)).get("prompt", "") == ""


def test_whoever_signs_in_next_in_the_same_browser_does_not_see_it(signed_in):
    typed = fill_in(signed_in)
    expire(signed_in)
    somebody = UserFactory()
    page = sign_in(signed_in, signed_in.post(CREATE, typed), somebody)
    assert page.context["user"] == somebody
    assert "typed for an hour" not in page.text
    assert unsent.KEY not in signed_in.session


def test_strangers_store_nothing(client, user):
    forged = {**TYPED["simple"], "typed_by": f"{user.pk}:AAAA"}
    for data in (TYPED["simple"], forged):
        response = client.post(CREATE, data)
        assert parse_qs(urlsplit(response.url).query)["next"] == [CREATE]
    assert not Session.objects.exists()


def test_what_is_kept_is_bounded(signed_in):
    typed = fill_in(signed_in, **{"lora-x": "x" * unsent.MOST_BYTES})
    expire(signed_in)
    signed_in.post(CREATE, typed)
    assert unsent.KEY not in signed_in.session

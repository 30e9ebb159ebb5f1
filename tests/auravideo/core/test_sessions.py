"""Only well-formed session keys find a session."""

import pytest
from django.conf import settings
from django.urls import reverse

from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("cookie", ["\x00" * 32, "a" * 31 + "\x00", "ó" * 32, "'; --", "a" * 5000, "short"])
def test_a_cookie_that_was_never_given_out_is_nobody(client, cookie):
    # The raw header: http.cookies refuses to build a cookie with control characters since Python 3.13.5.
    header = {"cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}".encode().decode("latin-1")}
    assert client.get(reverse("generation:create"), headers=header).status_code == 302
    assert client.get(reverse("gallery:explore"), headers=header).status_code == 200


def test_signing_out_ends_the_session_whose_cookie_somebody_kept(client, user):
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    assert client.get(reverse("generation:create")).status_code == 200
    client.post(reverse("account_logout"))
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    assert client.get(reverse("generation:create")).status_code == 302


@pytest.mark.parametrize("name", ["generation:create", "generation:jobs", "gallery:library", "gallery:explore"])
def test_pages_open_while_redis_is_away(client, user, settings, name):
    client.force_login(user)
    JobFactory(user=user)
    settings.CACHES = {"default": {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}}
    assert client.get(reverse(name)).status_code == 200
    assert client.post(reverse("account_logout")).status_code == 302

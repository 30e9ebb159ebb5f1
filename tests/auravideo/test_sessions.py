"""A session is found by what was given out, and by nothing else."""

import pytest
from django.conf import settings
from django.core.cache import cache
from django.urls import reverse

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("cookie", ["\x00" * 32, "a" * 31 + "\x00", "ó" * 32, "'; --", "a" * 5000, "short"])
def test_a_cookie_that_was_never_given_out_is_nobody(client, cookie):
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    assert client.get(reverse("generation:create")).status_code == 302
    assert client.get(reverse("gallery:explore")).status_code == 200


def test_a_session_outlives_the_cache(client, user):
    client.force_login(user)
    cache.clear()
    assert client.get(reverse("generation:create")).status_code == 200


def test_signing_out_ends_the_session_in_the_cache_too(client, user):
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    client.get(reverse("generation:create"))
    client.post(reverse("account_logout"))
    client.cookies[settings.SESSION_COOKIE_NAME] = cookie
    assert client.get(reverse("generation:create")).status_code == 302

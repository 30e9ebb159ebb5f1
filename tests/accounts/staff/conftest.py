"""Staff and how they sign in."""

import time
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse

from tests import totp
from tests.factories import PASSWORD, UserFactory


@pytest.fixture(autouse=True)
def _rule(settings):
    """Let the rule of the second factor hold, as it does by default."""
    settings.STAFF_SECOND_FACTOR = "auto"


@pytest.fixture
def chief(db):
    return UserFactory(username="chief", is_staff=True, is_superuser=True)


@pytest.fixture
def with_app() -> Callable[..., str]:
    """Return a function that gives a user an authenticator app, and returns its secret."""

    def give(user) -> str:
        secret = generate_totp_secret()
        TOTP.activate(user, secret)
        return secret

    return give


@pytest.fixture
def signed_in_with_app(chief, with_app) -> Client:
    """Return the browser of a superuser who has just signed in with password and app."""
    secret, client = with_app(chief), Client()
    client.post(reverse("account_login"), {"login": chief.username, "password": PASSWORD})
    client.post(reverse("mfa_authenticate"), {"code": totp.code(secret, time.time())})
    assert Authenticator.objects.filter(user=chief).exists()
    return client

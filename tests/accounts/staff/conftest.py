"""Staff and how they sign in."""

import time

import pytest
from allauth.mfa.models import Authenticator
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
def signed_in_with_app(chief) -> Client:
    """Return the browser of a superuser who has just signed in with password and app."""
    secret, client = totp.give(chief), Client()
    client.post(reverse("account_login"), {"login": chief.username, "password": PASSWORD})
    client.post(reverse("mfa_authenticate"), {"code": totp.code(secret, time.time())})
    assert Authenticator.objects.filter(user=chief).exists()
    return client


def later(client: Client, seconds: float) -> None:
    """Let time pass since the browser's user signed in."""
    session = client.session
    session["account_authentication_methods"] = [
        {**record, "at": record["at"] - seconds} for record in session["account_authentication_methods"]
    ]
    session.save()

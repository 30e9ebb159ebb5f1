"""Somebody at a browser, for tests with Django's client."""

import time

from allauth.account.authentication import AUTHENTICATION_METHODS_SESSION_KEY


def sign_in(client, person) -> None:
    """As if with the password, and once more just now, which the pages of the second factor ask for."""
    client.force_login(person)
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "password", "at": time.time(), "reauthenticated": True}]
    session.save()

"""Users at a browser, for tests with Django's client."""

import time


def sign_in(client, person) -> None:
    """Sign in with a password confirmed just now, which the pages of the second factor require.

    The confirmation is written where allauth keeps it: posting it would take a sixth of the suite's time.
    tests/e2e/test_account_journeys.py posts it.
    """
    client.force_login(person)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time(), "reauthenticated": True}]
    session["account_authentication_methods_user"] = str(person.pk)
    session.save()

"""Somebody at a browser, for tests with Django's client."""

from allauth.account.internal.flows.login import record_authentication
from django.http import HttpRequest


def sign_in(client, person) -> None:
    """As if with the password, and once more just now, which the pages of the second factor ask for."""
    client.force_login(person)
    request = HttpRequest()
    request.session = client.session
    record_authentication(request, person, method="password", reauthenticated=True)
    request.session.save()

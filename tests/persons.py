"""A person at a browser, for tests with Django's client."""

from django.urls import reverse

from tests.factories import PASSWORD


def sign_in(client, person) -> None:
    """Sign in with a freshly confirmed password, which the two-factor pages require."""
    client.force_login(person)
    answer = client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    assert answer.status_code == 302, "the password was not confirmed"

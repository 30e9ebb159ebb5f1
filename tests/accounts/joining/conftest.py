"""A site at its door: the rules, invitations, and who signs up."""

import pytest
from django.urls import reverse

from accounts.joining.models import JoiningRules, Policy

PASSWORD = "a lamp in the fog"


@pytest.fixture
def rules(db):
    """Return a function that sets who may join."""

    def change(policy: Policy, **changes) -> None:
        JoiningRules.objects.update_or_create(pk=JoiningRules.ONLY, defaults={"policy": policy, **changes})

    return change


@pytest.fixture
def sign_up():
    """Return a function that posts the form as a browser does."""

    def post(client, name: str = "ada", **changes):
        form = {"username": name, "email": f"{name}@example.com", "password1": PASSWORD, "password2": PASSWORD}
        return client.post(reverse("account_signup"), form | changes)

    return post

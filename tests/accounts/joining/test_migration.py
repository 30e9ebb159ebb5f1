"""What an update makes of a site that was open to everybody, as every site was before."""

from importlib import import_module

import pytest
from django.apps import apps

from accounts.joining.models import JoiningRules, Policy
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def update() -> JoiningRules:
    import_module("accounts.migrations.0010_joining").keep_open(apps, None)
    return JoiningRules.current()


def test_a_site_where_strangers_have_signed_up_stays_open(settings):
    settings.IS_PRIVATE = False
    UserFactory()
    rules = update()
    assert (rules.effective, rules.is_inherited) == (Policy.OPEN, True)


def test_a_site_that_has_its_administrators_only_follows_the_new_default(settings):
    settings.IS_PRIVATE = False
    UserFactory(is_superuser=True)
    assert update().effective == Policy.INVITATION


def test_a_site_that_nobody_else_reaches_follows_the_new_default(settings):
    UserFactory()
    assert update().policy == Policy.AUTOMATIC
    settings.IS_PRIVATE = False  # and later, if others reach it
    assert JoiningRules.current().effective == Policy.INVITATION

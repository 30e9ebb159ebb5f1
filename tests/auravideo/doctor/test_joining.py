"""Who may join, as the doctor and the start of a site say it."""

import pytest

from accounts.joining.models import JoiningRules, Policy
from auravideo.doctor import joining
from auravideo.doctor.findings import State
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db


def test_what_holds_by_itself_comes_with_the_reason(settings):
    assert joining.joining().startswith("anybody, because only this machine reaches the site")
    settings.IS_PRIVATE = False
    assert joining.joining().startswith("people with an invitation, because others reach the site")


@pytest.mark.parametrize("policy", [policy for policy in Policy if policy != Policy.AUTOMATIC])
def test_what_somebody_decided_needs_none(settings, policy):
    settings.IS_PRIVATE = False
    JoiningRules.objects.create(policy=policy)
    assert "because" not in joining.joining()


def test_a_site_that_an_update_left_open_is_a_warning_until_somebody_decides(settings, problem):
    JoiningRules.objects.create(policy=Policy.OPEN, is_inherited=True)
    assert joining.joining() == "anybody"  # nobody else reaches it
    settings.IS_PRIVATE = False
    assert problem(joining.joining).state == State.WARNING


def test_the_start_says_how_the_first_account_is_made_and_then_how_others_come(settings):
    settings.IS_PRIVATE = False
    assert joining.at_start().endswith("manage.py createsuperuser")
    UserFactory()
    assert joining.at_start().endswith("manage.py invite")
    JoiningRules.objects.create(policy=Policy.OPEN)
    assert joining.at_start() == "Who may join: anybody"

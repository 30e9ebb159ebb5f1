"""Newcomers who wait for approval, as moderators meet them."""

from datetime import UTC, datetime

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.joining.models import JoiningRules, Policy
from accounts.models import User
from gallery.moderation import newcomers
from tests.factories import UserFactory, a_moderator, staff_with
from tests.persons import sign_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("letters_written")]
PASSWORD = "a lamp in the fog"
LIST = "admin:accounts_user_changelist"


@pytest.fixture
def moderator():
    return a_moderator(username="mo")


@pytest.fixture
def waiting():
    return UserFactory(username="ada", is_active=False, approval_awaited_since=timezone.now())


@pytest.fixture
def desk(client, moderator):
    """Return the moderator's browser."""
    sign_in(client, moderator)
    return client


def sign_up(name: str) -> None:
    form = {"username": name, "email": f"{name}@example.org", "password1": PASSWORD, "password2": PASSWORD}
    assert Client().post(reverse("account_signup"), form).status_code == 302


def test_moderators_hear_of_newcomers_at_most_once_an_hour(moderator, django_capture_on_commit_callbacks):
    JoiningRules.objects.create(policy=Policy.APPROVAL)
    staff_with("change_user")
    for name in ("ada", "ben"):
        with django_capture_on_commit_callbacks(execute=True):
            sign_up(name)
    (letter,) = [letter for letter in mail.outbox if letter.subject == "AuraVideo: Someone is waiting to join"]
    assert letter.to == [moderator.email]
    assert "1 person has signed up" in letter.body
    assert f"http://testserver{newcomers.list_url()}" in letter.body


def test_they_hear_nothing_where_nobody_waits(moderator, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        sign_up("ada")
    newcomers.write(moderator.pk, "http://testserver/")
    assert [letter for letter in mail.outbox if "join" in letter.subject] == []


def test_the_overview_counts_them_and_leads_to_their_list(desk, waiting):
    UserFactory(username="zoe")
    page = desk.get(reverse("admin-overview")).content.decode()
    assert f'<a href="{newcomers.list_url()}">1</a>' in page
    listed = desk.get(newcomers.list_url()).context["cl"].queryset
    assert list(listed) == [waiting]


@pytest.mark.parametrize("is_superuser", [False, True])
def test_the_list_says_when_an_undecided_newcomer_is_deleted(client, waiting, is_superuser):
    sign_in(client, a_moderator(is_superuser=is_superuser))
    User.objects.filter(pk=waiting.pk).update(newcomer_until=datetime(2031, 5, 17, 12, tzinfo=UTC))
    for address in (newcomers.list_url(), reverse("admin:accounts_user_change", args=[waiting.pk])):
        page = client.get(address).content.decode()
        assert "eleted if undecided" in page
        assert "17 May 2031" in page or "May 17, 2031" in page


def test_nobody_else_is_said_to_be_deleted(client):
    sign_in(client, a_moderator())
    UserFactory(newcomer_until=datetime(2031, 5, 17, 12, tzinfo=UTC), last_login=timezone.now())
    assert "2031" not in client.get(reverse(LIST)).content.decode()


def test_the_overview_leaves_out_what_is_not_there(desk):
    assert "Newcomers" not in desk.get(reverse("admin-overview")).content.decode()


@pytest.mark.parametrize("action", ["approve", "decline"])
def test_moderators_are_asked_first(desk, waiting, action):
    page = desk.post(reverse(LIST), {"action": action, "_selected_action": [waiting.pk]})
    assert ">ada<" in page.content.decode()
    waiting.refresh_from_db()
    assert waiting.is_awaiting_approval


def decide(desk, action: str, person: User) -> str:
    values = {"action": action, "_selected_action": [person.pk], "decided": "yes"}
    return desk.post(reverse(LIST), values, follow=True).content.decode()


def test_an_approved_newcomer_is_an_ordinary_user(desk, waiting):
    assert "1 newcomer was approved." in decide(desk, "approve", waiting)
    waiting.refresh_from_db()
    assert (waiting.is_active, waiting.is_awaiting_approval) == (True, False)


def test_a_declined_newcomer_is_deleted(desk, waiting):
    assert "1 newcomer was declined." in decide(desk, "decline", waiting)
    waiting.refresh_from_db()
    assert waiting.is_being_deleted
    assert (waiting.email, "ada" in waiting.username) == ("", False)


@pytest.mark.parametrize("action", ["approve", "decline"])
def test_nobody_else_can_be_approved_or_declined(desk, action):
    person = UserFactory()
    assert "left unchanged" in decide(desk, action, person)
    person.refresh_from_db()
    assert person.is_active


def test_the_page_of_somebody_who_waits_has_both_buttons_and_no_switch(client, waiting):
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    page = client.get(reverse("admin:accounts_user_change", args=[waiting.pk])).content.decode()
    assert 'value="approve"' in page
    assert 'value="decline"' in page
    assert 'name="is_active"' not in page
    other = client.get(reverse("admin:accounts_user_change", args=[UserFactory().pk])).content.decode()
    assert 'value="approve"' not in other

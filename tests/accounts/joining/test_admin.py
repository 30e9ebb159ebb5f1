"""Who may join, and invitations, in the admin."""

import re

import pytest
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.joining.models import Invitation, JoiningRules, Policy
from tests.factories import InvitationFactory, UserFactory, staff_with
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

RULES = "/admin/accounts/joiningrules/1/change/"


@pytest.fixture
def admin(client):
    sign_in(client, UserFactory(is_staff=True, is_superuser=True))
    return client


def pages_of(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_the_rules_are_one_form_which_takes_effect_at_once(admin, sign_up):
    assert admin.get(reverse("admin:accounts_joiningrules_changelist")).url == RULES
    page = admin.get(RULES).content.decode()
    assert "Open: anybody may sign up" in page  # what is in force
    assert admin.post(RULES, {"policy": "closed", "daily_cap": 10, "most_waiting": 10}).status_code == 302
    assert JoiningRules.current().effective == Policy.CLOSED
    assert "No new accounts" in sign_up(Client()).content.decode()
    admin.post(RULES, {"policy": "open", "daily_cap": 10, "most_waiting": 10})
    assert sign_up(Client()).status_code == 302
    assert JoiningRules.objects.count() == 1


def test_saving_the_rules_is_a_decision(admin, rules):
    rules(Policy.OPEN, is_inherited=True)
    admin.post(RULES, {"policy": "open", "daily_cap": 200, "most_waiting": 500})
    assert not JoiningRules.current().is_inherited


def test_a_new_invitation_shows_its_link_which_works(admin, sign_up, rules):
    rules(Policy.INVITATION)
    form = {"max_uses": 3, "expires_at": "2099-01-01T12:00", "note": "the club"}
    answer = admin.post(reverse("admin:accounts_invitation_add"), form, follow=True)
    link = re.search(r'value="http://testserver(/join/[^"]+)"', answer.content.decode())[1]
    guest = Client()
    guest.get(link)
    sign_up(guest)
    assert get_user(guest).username == "ada"
    invitation = Invitation.objects.get()
    assert (invitation.max_uses, invitation.note, invitation.created_by) == (3, "the club", get_user(admin))
    assert ">ada<" in admin.get(answer.request["PATH_INFO"]).content.decode()


def test_links_are_shown_only_to_staff_who_may_make_them_and_only_while_they_work():
    invitation = InvitationFactory()
    page = reverse("admin:accounts_invitation_change", args=[invitation.pk])
    maker = pages_of(staff_with("view_invitation", "add_invitation"))
    reader = pages_of(staff_with("view_invitation"))
    assert "/join/" in maker.get(page).content.decode()
    assert "/join/" not in reader.get(page).content.decode()
    Invitation.objects.update(revoked_at=timezone.now())
    assert "/join/" not in maker.get(page).content.decode()


def test_invitations_are_withdrawn_and_found_by_their_state(admin):
    first, second = InvitationFactory.create_batch(2)
    listed = reverse("admin:accounts_invitation_changelist")
    done = admin.post(listed, {"action": "revoke", "_selected_action": [first.pk]}, follow=True)
    assert "1 invitation was withdrawn." in done.content.decode()
    for usable, found in (("yes", second), ("no", first)):
        assert list(admin.get(listed, {"usable": usable}).context["cl"].queryset) == [found]


def test_an_operator_sees_by_which_invitation_somebody_came(admin):
    invitation = InvitationFactory(note="the club")
    person = UserFactory(invitation=invitation)
    assert "the club" in admin.get(reverse("admin:accounts_user_change", args=[person.pk])).content.decode()

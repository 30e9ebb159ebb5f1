"""Invitations: links that let in so many people, for so long."""

import json
from datetime import timedelta
from functools import partial

import pytest
from django.contrib.auth import get_user
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from accounts.joining import invitations
from accounts.joining.models import Invitation, Policy
from accounts.models import User
from tests.accounts.test_mail_links import link_in
from tests.factories import InvitationFactory, UserFactory
from tests.races import all_at_once

pytestmark = pytest.mark.django_db


def path_of(invitation: Invitation) -> str:
    return invitations.link(invitation, "/")


@pytest.fixture
def invitation(rules):
    rules(Policy.INVITATION)
    return InvitationFactory()


def test_the_link_leads_to_the_form_and_the_form_to_an_account(client, invitation, sign_up):
    page = client.get(path_of(invitation), follow=True)
    assert page.redirect_chain == [(reverse("account_signup"), 302)]
    assert "<h1>Sign up</h1>" in page.content.decode()
    assert sign_up(client).url == reverse("generation:create")
    invitation.refresh_from_db()
    assert (invitation.uses, get_user(client).invitation) == (1, invitation)


def test_it_survives_errors_in_the_form_and_is_used_only_by_an_account(client, invitation, sign_up):
    UserFactory(username="ada")
    client.get(path_of(invitation))
    assert "is taken" in sign_up(client).content.decode()
    invitation.refresh_from_db()
    assert invitation.uses == 0
    assert sign_up(client, "ben").status_code == 302


def test_it_survives_the_confirmation_of_the_address(client, invitation, sign_up, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    client.get(path_of(invitation))
    sign_up(client)
    client.post(link_in(mail.outbox[-1]))
    assert get_user(client).username == "ada"


def test_an_invitation_for_two_lets_in_two(invitation, sign_up):
    Invitation.objects.update(max_uses=2)
    for name in ("ada", "ben", "eve"):
        client = Client()
        client.get(path_of(invitation))
        sign_up(client, name)
    assert sorted(User.objects.values_list("username", flat=True)) == ["ada", "ben"]


@pytest.mark.parametrize("policy", [Policy.OPEN, Policy.APPROVAL])
def test_whoever_is_invited_neither_waits_nor_counts_against_the_daily_cap(client, invitation, rules, sign_up, policy):
    rules(policy, daily_cap=0)
    client.get(path_of(invitation))
    sign_up(client)
    assert get_user(client).username == "ada"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"uses": 1}, "Everyone it was meant for has signed up."),
        ({"expires_at": timezone.now() - timedelta(minutes=1)}, "It has expired."),
        ({"revoked_at": timezone.now()}, "It was withdrawn."),
    ],
)
def test_a_link_that_no_longer_works_says_why_and_what_to_do_and_nothing_else(client, invitation, changes, text):
    Invitation.objects.update(**changes)
    answer = client.get(path_of(invitation))
    page = answer.content.decode()
    assert answer.status_code == 410
    assert text in page
    assert "Ask whoever sent you the link" in page
    assert invitation.note not in page
    assert invitations.SESSION_KEY not in client.session


@pytest.mark.parametrize("change", [lambda token: token[:-1], lambda token: "x" + token, lambda token: "nonsense"])
def test_a_link_that_the_site_never_made_says_so(client, invitation, change):
    answer = client.get(reverse("accounts:join", args=[change(invitations.token_of(invitation))]))
    assert answer.status_code == 404
    assert "This is not an invitation" in answer.content.decode()


def test_a_copy_of_the_database_makes_no_links(invitation):
    token = invitations.token_of(invitation)
    stored = [str(value) for value in Invitation.objects.values_list().get()]
    assert not any(part in value for value in stored for part in (token, token.partition("~")[2]))


def test_links_outlive_a_change_of_the_key(invitation, settings):
    token = invitations.token_of(invitation)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another key" * 8
    assert invitations.find(token) == invitation


def test_a_closed_site_takes_no_invitations(client, invitation, rules, sign_up):
    client.get(path_of(invitation))
    rules(Policy.CLOSED)
    assert "No new accounts" in sign_up(client).content.decode()
    assert client.get(path_of(invitation)).status_code == 403
    assert not User.objects.exists()


def test_a_withdrawn_one_is_told_to_whoever_is_filling_in_the_form(client, invitation, sign_up):
    client.get(path_of(invitation))
    assert invitations.revoke(invitation)
    assert not invitations.revoke(invitation)
    assert "It was withdrawn." in sign_up(client).content.decode()
    assert not User.objects.exists()


def test_whoever_is_signed_in_does_not_use_it_up(signed_in, invitation):
    answer = signed_in.get(path_of(invitation), follow=True)
    assert "You already have an account" in answer.content.decode()
    invitation.refresh_from_db()
    assert invitation.uses == 0


@pytest.mark.django_db(transaction=True)
def test_the_last_use_goes_to_one_of_many(rules):
    rules(Policy.INVITATION)
    invitation = InvitationFactory()
    won = all_at_once(partial(invitations.use, invitation), 8)
    assert won.count(True) == 1
    invitation.refresh_from_db()
    assert invitation.uses == 1


def test_whoever_comes_second_to_the_last_use_gets_no_account(client, invitation, sign_up, monkeypatch):
    """Both were let to the form; the other one was faster by a moment."""
    client.get(path_of(invitation))
    found = invitations.of

    def slowly(request):
        here = found(request)
        Invitation.objects.update(uses=1)
        return here

    monkeypatch.setattr(invitations, "of", slowly)
    assert "Everyone it was meant for has signed up." in sign_up(client).content.decode()
    assert not User.objects.exists()


def test_invitations_are_part_of_their_makers_data_and_go_on_without_them(user, other_user):
    mine, _ = InvitationFactory(created_by=user), InvitationFactory(created_by=other_user)
    entries = {entry.name: b"".join(entry.read()) for entry in accounts.export(user)}
    assert [row["note"] for row in json.loads(entries["invitations.json"])] == [mine.note]
    accounts.request_deletion(user)
    assert accounts.settle(user.pk)
    mine.refresh_from_db()
    assert (mine.created_by, mine.state) == (None, Invitation.State.USABLE)

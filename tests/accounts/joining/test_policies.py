"""Who may sign up under which rules, at every door and on every page that leads to one."""

import pytest
from django.contrib.auth import get_user
from django.test import Client
from django.urls import reverse

from accounts.joining import invitations, services
from accounts.joining.models import Invitation, JoiningRules, Policy
from accounts.models import User

pytestmark = pytest.mark.django_db

DOORS = ("home", "account_login", "help", "gallery:explore")


def leads_to_signing_up(client, name: str) -> bool:
    return f'href="{reverse("account_signup")}"' in client.get(reverse(name)).content.decode()


@pytest.mark.parametrize(
    ("is_private", "policy", "effective"),
    [
        (True, Policy.AUTOMATIC, Policy.OPEN),
        (False, Policy.AUTOMATIC, Policy.INVITATION),
        (True, Policy.CLOSED, Policy.CLOSED),
        (False, Policy.OPEN, Policy.OPEN),
    ],
)
def test_a_site_is_open_by_default_only_if_nobody_else_reaches_it(settings, is_private, policy, effective):
    settings.IS_PRIVATE = is_private
    assert JoiningRules(policy=policy).effective == effective


def test_without_any_rules_a_private_site_is_open_and_another_by_invitation(client, settings, sign_up):
    assert sign_up(client).url == reverse("generation:create")
    settings.IS_PRIVATE = False
    assert "By invitation" in sign_up(Client(), "ben").content.decode()
    assert [user.username for user in User.objects.all()] == ["ada"]


@pytest.mark.parametrize(
    ("policy", "heading"), [(Policy.CLOSED, "No new accounts"), (Policy.INVITATION, "By invitation")]
)
def test_a_closed_door_says_so_and_makes_no_account(client, rules, sign_up, policy, heading):
    rules(policy)
    for page in (client.get(reverse("account_signup")), sign_up(client)):
        assert f"<h1>{heading}</h1>" in page.content.decode()
    assert not User.objects.exists()


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("policy", [Policy.OPEN, Policy.APPROVAL])
def test_pages_lead_visitors_to_signing_up_where_they_may(client, rules, policy, name):
    rules(policy)
    assert leads_to_signing_up(client, name)


@pytest.mark.parametrize("name", DOORS)
@pytest.mark.parametrize("policy", [Policy.INVITATION, Policy.CLOSED])
def test_and_not_where_they_may_not(client, rules, policy, name):
    rules(policy)
    assert not leads_to_signing_up(client, name)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (Policy.INVITATION, "People join this site by invitation"),
        (Policy.CLOSED, "This site is not accepting new accounts"),
    ],
)
def test_the_first_page_says_how_people_join_instead(client, rules, policy, text):
    rules(policy)
    assert text in client.get(reverse("home")).content.decode()


def test_whoever_has_an_account_notices_none_of_it(client, rules, sign_up):
    sign_up(client)
    rules(Policy.CLOSED)
    other = Client()
    other.post(reverse("account_login"), {"login": "ada", "password": "a lamp in the fog"})
    assert get_user(client).username == get_user(other).username == "ada"


def test_the_email_to_an_unknown_address_offers_an_account_only_where_there_are_any(client, rules, mailoutbox):
    for policy in (Policy.OPEN, Policy.INVITATION):
        rules(policy)
        client.post(reverse("account_reset_password"), {"email": f"{policy}@example.com"})
    offer, none = (letter.body for letter in mailoutbox)
    assert reverse("account_signup") in offer
    assert reverse("account_signup") not in none
    assert "there is no account with this address" in none


class TestDailyCap:
    def test_beyond_it_nobody_signs_up_and_the_page_says_so(self, rules, sign_up):
        rules(Policy.OPEN, daily_cap=2)
        for name in ("ada", "ben"):
            assert sign_up(Client(), name).status_code == 302
        page = sign_up(Client(), "eve").content.decode()
        assert "Try again tomorrow" in page
        assert 'value="eve"' in page
        assert User.objects.count() == 2

    def test_one_network_cannot_use_it_up(self, rules, sign_up):
        rules(Policy.OPEN, daily_cap=40)
        for number in range(5):
            assert sign_up(Client(REMOTE_ADDR="192.0.2.7"), f"ada{number}").status_code == 302
        page = sign_up(Client(REMOTE_ADDR="192.0.2.7"), "eve").content.decode()
        assert "So many people from your network have signed up today" in page
        assert "ask for an invitation" in page
        assert sign_up(Client(REMOTE_ADDR="192.0.2.8"), "eve").status_code == 302

    def test_a_class_behind_one_address_joins_by_invitation(self, rules, sign_up):
        rules(Policy.OPEN, daily_cap=40)
        invitation = Invitation.objects.create(max_uses=30)
        for number in range(15):
            pupil = Client(REMOTE_ADDR="192.0.2.7")
            pupil.get(invitations.link(invitation, "/"))
            assert sign_up(pupil, f"pupil{number}").status_code == 302
        assert sign_up(Client(REMOTE_ADDR="192.0.2.7"), "eve").status_code == 302, "and nobody else pays for them"

    def test_where_all_come_from_one_address_as_on_a_private_site_there_are_no_shares(self, rules, sign_up):
        rules(Policy.OPEN, daily_cap=12)
        for number in range(12):
            assert sign_up(Client(REMOTE_ADDR="127.0.0.1"), f"ada{number}").status_code == 302

    @pytest.mark.parametrize(("cap", "share"), [(0, 0), (1, 1), (2, 1), (4, 1), (20, 5), (50, 5), (200, 20)])
    def test_a_network_gets_a_tenth_of_it_more_of_a_low_one_and_never_all(self, cap, share):
        assert services.share_of_day(cap) == share

    def test_errors_do_not_count(self, client, rules, sign_up):
        rules(Policy.OPEN, daily_cap=1)
        sign_up(client, password2="another one")
        assert sign_up(client).status_code == 302

    def test_a_cap_of_nothing_lets_nobody_in(self, client, rules, sign_up):
        rules(Policy.APPROVAL, daily_cap=0)
        assert "Try again tomorrow" in sign_up(client).content.decode()


class TestRobots:
    def test_the_field_for_them_is_hidden_from_everybody_else(self, client):
        page = client.get(reverse("account_signup")).content.decode()
        field = page.partition('class="for-robots" aria-hidden="true"')[2].partition("</div></div>")[0]
        assert 'name="remarks"' in field
        assert 'autocomplete="off"' in field
        assert 'tabindex="-1"' in field

    def test_whoever_fills_it_in_gets_no_account_and_can_empty_it(self, client, sign_up):
        page = sign_up(client, remarks="Nice site!").content.decode()
        assert "Only robots fill in this field" in page
        assert "for-robots" not in page
        assert 'tabindex="-1"' not in page.partition("<form class=")[2]
        assert not User.objects.exists()
        assert sign_up(client).status_code == 302

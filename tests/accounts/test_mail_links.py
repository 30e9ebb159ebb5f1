"""Journeys through the mailbox, following the links that were sent."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts.models import User
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

FORM = {
    "username": "ada",
    "email": "ada@example.com",
    "password1": "a lamp in the fog",
    "password2": "a lamp in the fog",
}


def link_in(letter) -> str:
    return re.search(r"http://testserver(/\S+)", letter.body)[1]


def confirm(client, letter):
    link = link_in(letter)
    page = client.get(link).content.decode()
    assert "css/auravideo.css" in page
    return client.post(link)


@pytest.fixture
def must_confirm(settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"


def test_where_it_is_required_the_link_comes_before_the_first_sign_in(client, must_confirm):
    assert client.post(reverse("account_signup"), FORM).url == reverse("account_email_verification_sent")
    assert "Check your email" in client.get(reverse("account_email_verification_sent")).content.decode()
    assert not get_user(client).is_authenticated
    login = {"login": "ada", "password": FORM["password1"]}
    assert client.post(reverse("account_login"), login).url == reverse("account_email_verification_sent")
    (letter,) = mail.outbox
    assert letter.to == ["ada@example.com"]
    assert confirm(client, letter).url == reverse("generation:create")
    assert EmailAddress.objects.get().verified
    assert get_user(client).username == "ada"


def test_the_link_signs_nobody_in_to_a_browser_that_did_not_sign_up(client, must_confirm):
    client.post(reverse("account_signup"), FORM)
    elsewhere = Client()
    assert confirm(elsewhere, mail.outbox[0]).url == reverse("account_login")
    assert EmailAddress.objects.get().verified
    assert not get_user(elsewhere).is_authenticated


def test_where_it_is_optional_the_link_is_sent_and_nobody_waits_for_it(client, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "optional"
    client.post(reverse("account_signup"), FORM)
    assert get_user(client).username == "ada"
    confirm(client, mail.outbox[0])
    assert EmailAddress.objects.get().verified


def test_where_it_is_off_no_mail_is_sent(client):
    client.post(reverse("account_signup"), FORM)
    assert get_user(client).username == "ada"
    assert mail.outbox == []


def test_a_link_that_was_tampered_with_confirms_nothing(client, must_confirm):
    client.post(reverse("account_signup"), FORM)
    page = client.get(link_in(mail.outbox[0])[:-4] + "abc/").content.decode()
    assert "This link no longer works" in page
    assert not EmailAddress.objects.get().verified


def test_the_address_is_changed_through_the_link_that_goes_to_the_new_one(client, user):
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    client.force_login(user)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    client.post(reverse("account_email"), {"email": "new@example.org", "action_add": ""})
    (letter,) = mail.outbox
    assert letter.to == ["new@example.org"]
    assert f"was given for the account {user.username}" in letter.body, "the account was not made with this address"
    client.post(reverse("account_email"), {"email": "new@example.org", "action_primary": ""})
    user.refresh_from_db()
    assert user.email != "new@example.org", "an address that is not confirmed became the main one"
    assert confirm(client, letter).url == reverse("account_email"), "where it can be made the main one"
    client.post(reverse("account_email"), {"email": "new@example.org", "action_primary": ""})
    user.refresh_from_db()
    assert user.email == "new@example.org"
    client.post(reverse("account_email"), {"email": f"{user.username}@example.org", "action_remove": ""})
    assert [row.email for row in EmailAddress.objects.all()] == ["new@example.org"]
    client.post(reverse("account_logout"))
    client.post(reverse("account_login"), {"login": "new@example.org", "password": PASSWORD})
    assert get_user(client) == user


def test_changing_the_address_asks_for_the_password(client, user):
    client.force_login(user)
    response = client.post(reverse("account_email"), {"email": "new@example.org", "action_add": ""})
    assert response.url.startswith(reverse("account_reauthenticate"))
    assert not EmailAddress.objects.filter(email="new@example.org").exists()
    answer = client.post(response.url, {"password": PASSWORD, "next": reverse("account_email")}, follow=True)
    assert answer.status_code == 200
    assert EmailAddress.objects.filter(user=user, email="new@example.org").exists(), "what was typed got lost"


@pytest.mark.parametrize("verified", [True, False])
def test_an_address_of_somebody_else_can_be_entered_but_not_had(client, user, other_user, verified):
    """tests/accounts/test_enumeration.py compares what the page says."""
    EmailAddress.objects.create(user=other_user, email=other_user.email, verified=verified, primary=True)
    client.force_login(user)
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    client.post(reverse("account_email"), {"email": other_user.email.upper(), "action_add": ""})
    client.post(reverse("account_email"), {"email": other_user.email, "action_primary": ""})
    assert [letter.subject for letter in mail.outbox] == ["AuraVideo: You already have an account"]
    assert not EmailAddress.objects.filter(user=user, email=other_user.email, verified=True).exists()
    user.refresh_from_db()
    assert user.email != other_user.email
    elsewhere = Client()
    elsewhere.post(reverse("account_login"), {"login": other_user.email, "password": PASSWORD})
    assert get_user(elsewhere) == other_user


def test_a_new_password_signs_out_everywhere_else(client, user):
    elsewhere = Client()
    client.force_login(user)
    elsewhere.force_login(user)
    new = "a lamp in the rain"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post(reverse("account_change_password"), data).status_code == 302
    assert get_user(client) == user
    assert not get_user(elsewhere).is_authenticated
    assert User.objects.get(pk=user.pk).check_password(new)


def test_the_present_password_is_needed_to_change_it(client, user):
    client.force_login(user)
    data = {"oldpassword": "wrong", "password1": "a lamp in the rain", "password2": "a lamp in the rain"}
    response = client.post(reverse("account_change_password"), data)
    assert response.context["form"].errors["oldpassword"]
    assert User.objects.get(pk=user.pk).check_password(PASSWORD)


def test_a_reset_link_works_once_and_for_its_account_alone(client, user, other_user):
    client.post(reverse("account_reset_password"), {"email": user.email})
    link = link_in(mail.outbox[0])
    form = client.get(link, follow=True)
    new = {"password1": "a lamp in the rain", "password2": "a lamp in the rain"}
    client.post(form.request["PATH_INFO"], new)
    assert User.objects.get(pk=user.pk).check_password(new["password1"])
    assert User.objects.get(pk=other_user.pk).check_password(PASSWORD)
    assert "no longer works" in client.get(link, follow=True).content.decode()


@pytest.mark.parametrize(
    "next", ["https://evil.example/", "//evil.example/x", "javascript:alert(1)", "http:///evil.example"]
)
@pytest.mark.parametrize("page", ["account_login", "account_signup", "account_logout"])
def test_no_page_leads_to_another_site(client, user, page, next):
    data = {"login": user.username, "password": PASSWORD, **FORM, "next": next}
    if page == "account_logout":
        client.force_login(user)
    response = client.post(reverse(page), data)
    assert response.status_code == 302
    assert response.url in (reverse("generation:create"), reverse("home"))


# --- The email settings -----------------------------------------------------------------------------------------------

MAIN, OTHER = "main@example.org", "other@example.org"


def offered(client) -> dict[str, list[str]]:
    """Return the actions of each address that has a form."""
    page = client.get(reverse("account_email")).content.decode()
    forms = re.findall(r'<input type="hidden" name="email" value="(\S+)">(.*?)</form>', page, re.DOTALL)
    return {address: re.findall(r'name="action_(\w+)"', form) for address, form in forms}


@pytest.fixture
def with_addresses(client, user):
    """Give the signed-in user these addresses, each verified or not; `main` is the primary one."""

    def make(**verified: bool):
        user.emailaddress_set.all().delete()
        for name, is_verified in verified.items():
            address, primary = f"{name}@example.org", name == "main"
            EmailAddress.objects.create(user=user, email=address, verified=is_verified, primary=primary)
        User.objects.filter(pk=user.pk).update(email=MAIN)
        client.force_login(user)
        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})

    return make


@pytest.mark.parametrize(
    ("verified", "expected"),
    [
        ({"main": True}, {MAIN: ["remove"]}),
        ({"main": False}, {MAIN: ["send", "remove"]}),
        ({"main": True, "other": True}, {OTHER: ["primary", "remove"]}),
        ({"main": True, "other": False}, {OTHER: ["send", "remove"]}),
        ({"main": False, "other": True}, {MAIN: ["send"], OTHER: ["primary", "remove"]}),
        ({"main": False, "other": False}, {MAIN: ["send"], OTHER: ["send", "primary", "remove"]}),
    ],
)
def test_each_address_offers_what_can_be_done_with_it(client, with_addresses, verified, expected):
    with_addresses(**verified)
    assert offered(client) == expected


@pytest.mark.parametrize("verified", [{"main": True, "other": True}, {"main": False, "other": False}])
@pytest.mark.parametrize(("action", "left"), [("primary", {MAIN: False, OTHER: True}), ("remove", {MAIN: True})])
def test_the_actions_of_each_address_work(client, with_addresses, verified, action, left):
    with_addresses(**verified)
    client.post(reverse("account_email"), {"email": OTHER, f"action_{action}": ""})
    assert dict(EmailAddress.objects.values_list("email", "primary")) == left


def test_the_confirmation_is_sent_to_the_address_whose_button_was_pressed(client, with_addresses):
    with_addresses(main=True, other=False)
    client.post(reverse("account_email"), {"email": OTHER, "action_send": ""})
    assert [letter.to for letter in mail.outbox] == [[OTHER]]

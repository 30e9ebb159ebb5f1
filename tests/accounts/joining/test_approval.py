"""Newcomers who wait until a moderator agrees."""

import pytest
from django.contrib.auth import get_user
from django.core import mail
from django.test import Client
from django.urls import reverse

from accounts import services as accounts
from accounts.joining import services
from accounts.joining.models import Policy
from accounts.models import User
from tests.accounts.joining.conftest import PASSWORD
from tests.accounts.test_mail_links import link_in

pytestmark = pytest.mark.django_db
WAITS = "Your account is waiting for approval"
SITE = "http://testserver/"


def sign_in(client, login: str = "ada", password: str = PASSWORD):
    return client.post(reverse("account_login"), {"login": login, "password": password}, follow=True)


@pytest.fixture
def ada(rules, sign_up):
    """Return somebody who has just signed up and waits."""
    rules(Policy.APPROVAL)
    sign_up(Client())
    return User.objects.get()


def test_the_form_says_that_a_moderator_looks_at_each_account(client, rules):
    rules(Policy.APPROVAL)
    assert "A moderator reviews each new account" in client.get(reverse("account_signup")).content.decode()


def test_signing_up_leads_to_a_page_that_says_to_wait_and_to_no_session(client, rules, sign_up):
    rules(Policy.APPROVAL)
    answer = sign_up(client)
    assert answer.url == reverse("accounts:waiting")
    assert WAITS in client.get(answer.url).content.decode()
    assert not get_user(client).is_authenticated
    assert client.get(reverse("generation:create")).status_code == 302


def test_signing_in_says_the_same_and_only_with_the_right_password(client, ada):
    assert WAITS in sign_in(client, "ada@example.com").content.decode()
    assert not get_user(client).is_authenticated
    wrong, nobody = (sign_in(Client(), *login).content.decode() for login in (("ada", "wrong"), ("nobody", "wrong")))
    assert WAITS not in wrong
    assert "you specified are not correct" in wrong
    assert "you specified are not correct" in nobody


def test_the_page_promises_an_email_only_where_there_is_a_mail_server(client, ada, settings):
    assert "You will get an email" in sign_in(client).content.decode()
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert "You will get an email" not in client.get(reverse("accounts:waiting")).content.decode()


def test_an_approved_newcomer_hears_of_it_and_gets_in(client, ada, django_capture_on_commit_callbacks):
    sign_in(client)
    with django_capture_on_commit_callbacks(execute=True):
        assert services.approve(ada, SITE)
        assert not services.approve(ada, SITE)
    (letter,) = mail.outbox
    assert (letter.subject, letter.to) == ("AuraVideo: Your account was approved", ["ada@example.com"])
    assert reverse("account_login") in letter.body
    client.get(reverse("accounts:waiting"))  # check again
    assert get_user(client).username == "ada"
    other = Client()
    sign_in(other)
    assert get_user(other).username == "ada"


def test_a_declined_newcomer_hears_of_it_and_nothing_of_them_is_kept(client, ada, django_capture_on_commit_callbacks):
    sign_in(client)
    with django_capture_on_commit_callbacks(execute=True):
        assert services.decline(ada, SITE)
        assert not services.decline(ada, SITE)
    assert [letter.subject for letter in mail.outbox] == ["AuraVideo: Your account was declined"]
    assert client.get(reverse("accounts:waiting"), follow=True).redirect_chain[-1][0] == reverse("account_login")
    assert not get_user(client).is_authenticated
    assert accounts.settle(ada.pk)
    assert not User.objects.exists()


def test_nobody_declines_an_account_that_is_in_use(user):
    assert not services.decline(user, SITE)
    assert User.objects.get(pk=user.pk).is_active


def test_a_password_forgotten_while_waiting_can_be_replaced(client, ada):
    client.post(reverse("account_reset_password"), {"email": "ada@example.com"})
    form = client.get(link_in(mail.outbox[-1]), follow=True)
    client.post(form.request["PATH_INFO"], {"password1": "a lamp in the rain", "password2": "a lamp in the rain"})
    assert WAITS in sign_in(Client(), "ada", "a lamp in the rain").content.decode()


def test_a_newcomer_confirms_the_address_and_waits(client, rules, sign_up, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    rules(Policy.APPROVAL)
    assert sign_up(client).url == reverse("account_email_verification_sent")
    answer = client.post(link_in(mail.outbox[-1]), follow=True)
    assert WAITS in answer.content.decode()
    assert not get_user(client).is_authenticated

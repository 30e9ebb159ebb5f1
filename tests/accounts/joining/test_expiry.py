"""Accounts that nobody decides about, or that nobody proves to be theirs, do not stay forever."""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db.models import F
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from accounts.joining import expiry, services
from accounts.joining.models import Policy
from accounts.models import User
from tests.accounts.test_mail_links import link_in
from tests.factories import UserFactory

pytestmark = pytest.mark.django_db
SITE = "http://testserver/"


def later(days: float) -> None:
    """Let days pass for those who are new."""
    User.objects.update(newcomer_until=F("newcomer_until") - timedelta(days=days))


@pytest.fixture
def ada(rules, sign_up):
    """Return somebody who has just signed up and waits for approval."""
    rules(Policy.APPROVAL)
    sign_up(Client())
    return User.objects.get()


@pytest.fixture
def unconfirmed(sign_up, settings):
    """Return somebody who has signed up and not confirmed the address."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    sign_up(Client(), "ben")
    return User.objects.get()


def is_gone(user: User) -> bool:
    accounts.settle(user.pk)
    return not User.objects.filter(pk=user.pk).exists()


def test_a_newcomer_about_whom_nobody_decides_is_deleted_and_told(ada, django_capture_on_commit_callbacks):
    later(29.9)
    assert expiry.end_of_undecided() == 0
    later(0.2)
    with django_capture_on_commit_callbacks(execute=True):
        assert expiry.end_of_undecided() == 1
    assert [letter.subject for letter in mail.outbox] == ["AuraVideo: Your sign-up has expired"]
    assert mail.outbox[0].to == ["ada@example.com"]
    assert is_gone(ada)


def test_the_name_and_the_address_can_be_taken_again(ada, sign_up):
    later(31)
    expiry.end_of_undecided()
    assert sign_up(Client()).url == reverse("accounts:waiting")
    assert User.objects.awaiting_approval().get().email == "ada@example.com"


def test_the_page_that_says_to_wait_says_until_when(client, ada):
    client.post(reverse("account_login"), {"login": "ada", "password": "a lamp in the fog"})
    page = client.get(reverse("accounts:waiting")).content.decode()
    assert "what you entered is deleted and you can sign up again" in page


def test_the_operator_chooses_how_long(ada, rules, sign_up, settings):
    settings.NEWCOMER_DAYS = 3
    sign_up(Client(), "ben")
    later(3.1)
    assert expiry.end_of_undecided() == 1
    assert is_gone(User.objects.filter(deletion_requested_at__isnull=False).get())
    assert User.objects.get() == ada  # was promised more


def test_who_was_approved_stays(ada):
    services.approve(ada, SITE)
    later(1000)
    assert expiry.end_of_undecided() == 0
    assert not is_gone(ada)


def test_a_decision_in_the_last_moment_holds(ada):
    """The sweep has read the row already when a moderator approves it."""
    later(31)
    services.approve(ada, SITE)
    assert not services.expire(ada, SITE)
    assert not is_gone(ada)


def test_who_waits_since_before_the_update_gets_the_whole_time(ada):
    User.objects.update(newcomer_until=None, approval_awaited_since=timezone.now() - timedelta(days=400))
    assert expiry.end_of_undecided() == 0
    ada.refresh_from_db()
    assert ada.newcomer_until > timezone.now() + timedelta(days=29)
    later(31)
    assert expiry.end_of_undecided() == 1


def test_one_sweep_is_bounded(ada, sign_up, monkeypatch):
    sign_up(Client(), "ben")
    later(31)
    monkeypatch.setattr(expiry, "AT_ONCE", 1)
    assert (expiry.end_of_undecided(), expiry.end_of_undecided(), expiry.end_of_undecided()) == (1, 1, 0)


def test_an_address_that_is_never_confirmed_holds_no_name_forever(unconfirmed, sign_up):
    later(31)
    mail.outbox.clear()
    assert expiry.end_of_undecided() == 1
    assert mail.outbox == []  # nobody has proved that they read it
    assert is_gone(unconfirmed)


def test_who_confirms_in_time_stays(unconfirmed):
    Client().post(link_in(mail.outbox[-1]))
    later(31)
    assert expiry.end_of_undecided() == 0


def test_unconfirmed_accounts_stay_where_nobody_has_to_confirm(unconfirmed, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "none"
    later(31)
    assert expiry.end_of_undecided() == 0


def test_accounts_that_an_operator_made_stay(settings):
    """On the command line or in the admin, with an address that its owner never confirms."""
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    made = [UserFactory(), UserFactory(is_staff=True, is_superuser=True)]
    for user in made:
        EmailAddress.objects.create(user=user, email=user.email, primary=True)
    assert expiry.end_of_undecided() == 0
    later(1000)
    assert expiry.end_of_undecided() == 0
    assert not any(map(is_gone, made))


def test_an_approved_newcomer_has_the_whole_time_to_confirm(rules, sign_up, settings):
    settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    rules(Policy.APPROVAL)
    sign_up(Client(), "ben")
    ben = User.objects.get()
    User.objects.update(newcomer_until=timezone.now() + timedelta(days=1))
    services.approve(ben, SITE)
    later(29)
    assert expiry.end_of_undecided() == 0
    later(2)
    assert expiry.end_of_undecided() == 1


def test_no_more_may_wait_than_moderators_can_look_at(rules, sign_up):
    rules(Policy.APPROVAL, most_waiting=1)
    assert sign_up(Client()).url == reverse("accounts:waiting")
    page = sign_up(Client(), "ben").content.decode()
    assert "So many people are waiting for approval that nobody else can sign up for now" in page
    assert [user.username for user in User.objects.all()] == ["ada"]
    services.approve(User.objects.get(), SITE)
    assert sign_up(Client(), "ben").url == reverse("accounts:waiting")


def test_one_address_cannot_fill_the_list(rules, sign_up, monkeypatch):
    monkeypatch.setattr(services, "FEWEST_OF_NETWORK", 2)
    rules(Policy.APPROVAL, most_waiting=20)
    for name in ("ada", "ben"):
        assert sign_up(Client(REMOTE_ADDR="192.0.2.7"), name).url == reverse("accounts:waiting")
    page = sign_up(Client(REMOTE_ADDR="192.0.2.7"), "cleo").content.decode()
    assert "So many people from your network" in page
    assert sign_up(Client(REMOTE_ADDR="192.0.2.8"), "cleo").url == reverse("accounts:waiting")
    rules(Policy.OPEN)
    assert sign_up(Client(REMOTE_ADDR="192.0.2.7"), "dora").url == reverse("generation:create")


def test_nor_can_somebody_with_all_addresses_that_a_provider_gives_a_customer(rules, sign_up, monkeypatch):
    monkeypatch.setattr(services, "FEWEST_OF_NETWORK", 2)
    rules(Policy.APPROVAL, most_waiting=20)
    for name, subnet in (("ada", "0001"), ("ben", "ff00")):
        assert sign_up(Client(REMOTE_ADDR=f"2001:db8:77:{subnet}::1"), name).url == reverse("accounts:waiting")
    page = sign_up(Client(REMOTE_ADDR="2001:db8:77:a000::1"), "cleo").content.decode()
    assert "So many people from your network" in page
    assert sign_up(Client(REMOTE_ADDR="2001:db8:78::1"), "cleo").url == reverse("accounts:waiting")


def test_a_full_list_keeps_nobody_out_who_was_invited_or_need_not_wait(rules, sign_up, ada):
    rules(Policy.OPEN, most_waiting=1)
    assert sign_up(Client(), "ben").url == reverse("generation:create")

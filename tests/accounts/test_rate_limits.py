"""Guessing and flooding are limited, and answered with a page that says so."""

import logging
from functools import partial

import pytest
from django.contrib.auth import get_user
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts import adapter
from accounts.sign_in import attempts, mails
from auravideo import settings as settings_of_the_site
from auravideo.core.logs.once import OnceAMinute
from generation.domain.states import Status
from tests.factories import PASSWORD, BatchFactory, JobFactory, UserFactory, VideoFactory
from tests.races import all_at_once

pytestmark = pytest.mark.django_db


def login(client, user, password, **more):
    return client.post(reverse("account_login"), {"login": user.username, "password": password}, **more)


def assert_is_our_429(response):
    page = response.content.decode()
    assert response.status_code == 429
    assert "Too many attempts" in page
    assert "css/auravideo.css" in page


def test_signing_in_is_limited_by_address(client, user, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login": "3/m/ip"}
    for _ in range(3):
        assert login(client, user, "wrong").status_code == 200
    assert_is_our_429(login(client, user, PASSWORD))
    assert not get_user(client).is_authenticated
    assert client.get(reverse("account_login")).status_code == 200
    assert login(client, user, PASSWORD, REMOTE_ADDR="192.0.2.7").status_code == 302


def test_guessing_one_accounts_password_is_limited_from_wherever_it_comes(client, user):
    for number in range(5):
        login(client, user, "wrong", REMOTE_ADDR=f"192.0.2.{number}")
    response = login(client, user, PASSWORD, REMOTE_ADDR="192.0.2.99")
    assert "Too many failed attempts" in response.content.decode()
    assert not get_user(client).is_authenticated
    other = UserFactory()
    login(client, other, PASSWORD, REMOTE_ADDR="192.0.2.99")
    assert get_user(client) == other


def test_signing_up_is_limited_by_address(client, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"signup": "2/m/ip"}
    for _ in range(2):
        assert client.post(reverse("account_signup"), {}).status_code == 200
    assert_is_our_429(client.post(reverse("account_signup"), {}))


def test_mails_to_one_address_are_limited(client, user):
    for number in range(5):
        data = {"email": user.email}
        assert client.post(reverse("account_reset_password"), data, REMOTE_ADDR=f"192.0.2.{number}").status_code == 302
    assert_is_our_429(client.post(reverse("account_reset_password"), {"email": user.email}, REMOTE_ADDR="192.0.2.9"))
    assert len(mail.outbox) == 1  # of five within a minute


@pytest.mark.parametrize("email", ["registered", "unknown@example.org"])
def test_mails_to_one_address_are_limited_by_day_whether_it_is_registered_or_not(client, user, settings, email):
    email = user.email if email == "registered" else email
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"reset_password": "20/m/ip,5/m/key,3/d/key"}
    assert "10/d/key" in settings_of_the_site.ACCOUNT_RATE_LIMITS["reset_password"]
    for _ in range(3):
        assert client.post(reverse("account_reset_password"), {"email": email}).status_code == 302
    assert_is_our_429(client.post(reverse("account_reset_password"), {"email": email}))


@pytest.mark.django_db(transaction=True)
def test_one_mail_is_sent_however_many_ask_for_it_at_the_same_moment(user):
    all_at_once(partial(mails.send, mails.RESET, user.email, "http://testserver/", "en"), 6)
    assert len(mail.outbox) == 1


def test_a_mail_that_could_not_be_sent_does_not_keep_the_next_one_back(user, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    with pytest.raises(OSError, match="refused"):
        mails.send(mails.RESET, user.email, "http://testserver/", "en")
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    mails.send(mails.RESET, user.email, "http://testserver/", "en")
    assert len(mail.outbox) == 1


def test_mails_to_unknown_addresses_do_not_become_a_flood_and_users_still_get_theirs(user, monkeypatch, caplog):
    monkeypatch.setattr(mails, "UNKNOWN_A_DAY", attempts.Bucket("emails to unknown addresses", 3, 60))
    for number in range(5):
        mails.send(mails.RESET, f"nobody{number}@example.org", "http://testserver/", "en")
    assert len(mail.outbox) == 3
    assert "No email to an unknown address" in caplog.text
    mails.send(mails.RESET, user.email, "http://testserver/", "en")
    assert mail.outbox[-1].to == [user.email]


@pytest.mark.parametrize(
    ("addresses", "sent"),
    [
        (["192.0.2.7"], 2),
        (["2001:db8::1", "2001:db8:0:900::1"], 2),
        (["192.0.2.7", "2001:db8::1", "192.0.2.8"], 6),
        (["127.0.0.1"], 6),
    ],
    ids=["one address", "one network", "several", "this machine"],
)
def test_nobody_uses_up_the_mails_to_unknown_addresses_for_others(client, monkeypatch, addresses, sent):
    """Only where everybody comes from this machine, there are no shares."""
    monkeypatch.setattr(mails, "UNKNOWN_A_DAY", attempts.Bucket("emails to unknown addresses", 20, 60))
    for number in range(6):
        data = {"email": f"nobody{number}@example.org"}
        address = addresses[number % len(addresses)]
        assert client.post(reverse("account_reset_password"), data, REMOTE_ADDR=address).status_code == 302
    assert len(mail.outbox) == sent


def test_asking_for_new_passwords_is_limited_by_address(client):
    for number in range(20):
        client.post(reverse("account_reset_password"), {"email": f"person{number}@example.org"})
    assert_is_our_429(client.post(reverse("account_reset_password"), {"email": "one.more@example.org"}))


@pytest.mark.parametrize("name", ["login", "signup", "reset_password"])
def test_everything_that_can_be_guessed_or_flooded_has_a_limit(settings, name):
    assert settings.ACCOUNT_RATE_LIMITS[name]


def test_behind_a_proxy_the_visitors_own_address_counts(client, user, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login": "1/m/ip"}
    login(client, user, "wrong", headers={"X-Forwarded-For": "192.0.2.1"})
    assert_is_our_429(login(client, user, PASSWORD, headers={"X-Forwarded-For": "192.0.2.1"}))
    assert login(client, user, PASSWORD, headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 302


def test_without_a_proxy_nobody_chooses_their_own_address(client, user, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login": "1/m/ip"}
    login(client, user, "wrong", headers={"X-Forwarded-For": "192.0.2.1"})
    assert_is_our_429(login(client, user, PASSWORD, headers={"X-Forwarded-For": "192.0.2.2"}))


def test_more_trusted_proxies_than_there_are_give_an_answer_and_a_line_that_names_the_setting(
    client, user, settings, caplog, monkeypatch
):
    monkeypatch.setattr(adapter, "_told", OnceAMinute(logging.getLogger(adapter.__name__)))
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 2
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"login": "1/m/ip"}
    wrong = login(client, user, "wrong", headers={"X-Forwarded-For": "192.0.2.1"})
    assert wrong.status_code == 200
    # Nor does anybody get limits of their own by choosing an address.
    assert_is_our_429(login(client, user, PASSWORD, headers={"X-Forwarded-For": "192.0.2.2"}))
    (line,) = [record.getMessage() for record in caplog.records if record.name == adapter.__name__]
    assert line.startswith("TRUSTED_PROXIES=2, but fewer proxies")


EXPENSIVE = {
    "search": lambda client: client.get("/videos/?q=heart"),
    "summary": lambda client: client.post("/create/summary/", {"prompt": "a heart"}),
    "compare": lambda client: client.get("/videos/compare/"),
}


@pytest.mark.parametrize("action", EXPENSIVE)
def test_what_costs_much_is_limited_by_user(client, user, settings, action):
    settings.COSTLY = settings.COSTLY | {action: (1, 60)}
    client.force_login(user)
    assert EXPENSIVE[action](client).status_code == 200
    assert_is_our_429(EXPENSIVE[action](client))
    assert client.get("/videos/").status_code == 200
    client.force_login(UserFactory())
    assert EXPENSIVE[action](client).status_code == 200


def test_searching_what_is_public_is_limited_by_user(client, user, settings):
    settings.COSTLY = settings.COSTLY | {"search": (1, 60)}
    client.force_login(user)
    assert client.get("/explore/?q=heart").status_code == 200
    assert_is_our_429(client.get("/explore/?q=heart"))
    assert client.get("/explore/").status_code == 200


def test_archives_are_limited_by_user_wherever_they_come_from(client, user, settings):
    settings.COSTLY = settings.COSTLY | {"zip": (1, 60)}
    video = VideoFactory(user=user)
    batch = BatchFactory(user=user)
    VideoFactory(user=user, job=JobFactory(user=user, batch=batch, status=Status.DONE, ended_at=timezone.now()))
    client.force_login(user)
    selected = client.post(reverse("gallery:selected"), {"act": "download", "video": [video.pk]})
    assert selected["Content-Type"] == "application/zip"
    assert_is_our_429(client.get(reverse("generation:batch-download", args=[batch.pk])))
    assert_is_our_429(client.post(reverse("gallery:selected"), {"act": "download", "video": [video.pk]}))


def test_without_redis_nobody_is_limited(client, user, settings):
    settings.COSTLY = settings.COSTLY | {"compare": (1, 60)}
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
    }
    client.force_login(user)
    assert [client.get("/videos/compare/").status_code for _ in range(3)] == [200, 200, 200]

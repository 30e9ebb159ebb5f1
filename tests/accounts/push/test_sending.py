"""Messages reach the browser they are for, encrypted, and what goes wrong at the push service harms nobody."""

import subprocess
import sys

import pytest

from accounts.models import PushSubscription
from accounts.push import keys, sending
from accounts.push.sending import Message, Unreachable

pytestmark = pytest.mark.django_db

MESSAGE = Message("Your clip is ready", "a red heart", "/jobs/1/", "a" * 32, "/static/icon.png", "en")


def test_the_browser_reads_the_message(browser, subscription):
    assert sending.send(subscription, MESSAGE)
    (message,), (headers,) = browser.messages, browser.headers
    assert message == {
        "title": "Your clip is ready",
        "body": "a red heart",
        "url": "/jobs/1/",
        "tag": "a" * 32,
        "icon": "/static/icon.png",
        "lang": "en",
    }
    assert (headers["topic"], headers["ttl"]) == ("a" * 32, "86400")


def test_the_longest_message_fits(browser, subscription):
    sending.send(
        subscription,
        Message("\u4e2d" * 60, "\u4e2d" * 120, "/jobs/" + "x" * 40, "a" * 32, "/static/" + "x" * 100, "pl"),
    )
    assert len(browser.messages) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_a_browser_that_has_left_is_forgotten(service, subscription, status):
    service.answers = [status]
    assert not sending.send(subscription, MESSAGE)
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_service_is_asked_again_later(service, browser, subscription, status):
    service.answers = [status]
    with pytest.raises(Unreachable, match=str(status)):
        sending.send(subscription, MESSAGE)
    assert sending.send(subscription, MESSAGE)
    assert len(browser.messages) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 413])
def test_a_refusal_is_logged_and_not_repeated(service, subscription, status, caplog):
    service.answers = [status]
    assert not sending.send(subscription, MESSAGE)
    assert PushSubscription.objects.exists()
    assert f"refused a message to account {subscription.user_id}: {status}" in caplog.text
    assert subscription.endpoint not in caplog.text


def test_a_redirect_is_not_followed(service, browser, subscription):
    service.answers, service.location = [307], browser.endpoint
    assert not sending.send(subscription, MESSAGE)
    assert service.asked == 1


def test_a_service_that_does_not_answer_is_asked_again_later(service, subscription):
    service.stop()
    with pytest.raises(Unreachable, match="cannot be reached"):
        sending.send(subscription, MESSAGE)


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(service, subscription, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(Unreachable):
        sending.send(subscription, MESSAGE)
    assert service.asked == 0


def test_a_service_that_the_site_does_not_know_any_more_gets_nothing(service, subscription, settings):
    settings.PUSH_SERVICES = ["fcm.googleapis.com"]
    assert not sending.send(subscription, MESSAGE)
    assert service.asked == 0


def test_a_browser_whose_session_has_ended_is_forgotten(service, user, subscription):
    user.set_password("another correct horse")
    user.save()
    subscription.user.refresh_from_db()
    assert not sending.send(subscription, MESSAGE)
    assert service.asked == 0
    assert not PushSubscription.objects.exists()


def test_every_machine_with_the_same_secret_key_has_the_same_pair(settings):
    first = keys.public_key()
    assert (len(first), first[0]) == (87, "B")
    settings.SECRET_KEY = "another"
    other = keys.public_key()
    assert other != first
    settings.SECRET_KEY = "another"
    assert keys.public_key() == other


def test_pages_are_served_without_the_library_that_sends():
    check = (
        "import django; django.setup(); import auravideo.urls, sys;"
        "sys.exit(len({'pywebpush', 'aiohttp'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0

"""Who may have what sent where: subscriptions come from browsers, belong to one user and end with the session."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from accounts import personal_data
from accounts import services as accounts
from accounts.models import PushSubscription
from accounts.push import services
from accounts.push.endpoints import is_allowed
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

KNOWN = ["fcm.googleapis.com", "*.push.services.mozilla.com", "127.0.0.1:8443"]


def switch_on(client, browser, **changes):
    return client.post(reverse("accounts:push-on"), browser.told | changes)


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://fcm.googleapis.com/fcm/send/abc:def",
        "https://fcm.googleapis.com:443/fcm/send/abc",
        "https://FCM.googleapis.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "https://127.0.0.1:8443/push/0",
    ],
)
def test_addresses_of_known_push_services_are_accepted(endpoint):
    assert is_allowed(endpoint, KNOWN)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/fcm/send/abc",
        "https://fcm.googleapis.com:8080/",
        "https://fcm.googleapis.com.evil.example/",
        "https://evilfcm.googleapis.com/",
        "https://push.services.mozilla.com/",  # only hosts below it
        "https://evilpush.services.mozilla.com.example/",
        "https://fcm.googleapis.com@169.254.169.254/",
        "https://fcm.googleapis.com\\@169.254.169.254/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://127.0.0.1/",
        "https://127.0.0.1:99999/",
        "https://127.0.0.1:8443x/",
        "https://fcm.googleapis.com\n.evil.example/",
        "https://fcm.googleapis.c\u043em/",
        "https:///x",
        "file:///etc/passwd",
        "",
    ],
)
def test_no_other_address_is_accepted(endpoint):
    assert not is_allowed(endpoint, KNOWN)


def test_a_browser_subscribes_and_unsubscribes(client, user, browser):
    client.force_login(user)
    assert switch_on(client, browser).status_code == 204
    found = PushSubscription.objects.get()
    assert (found.user, found.endpoint, found.language) == (user, browser.endpoint, "en")
    assert client.post(reverse("accounts:push-off"), {"endpoint": browser.endpoint}).status_code == 204
    assert not PushSubscription.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "https://169.254.169.254/latest"},
        {"endpoint": "https://127.0.0.1:1/" + "x" * 1000},
        {"endpoint": ""},
        {"p256dh": "AAAA"},
        {"p256dh": "B" + "A" * 86},  # not on the curve
        {"p256dh": "\u00e9" * 80},
        {"auth": "AAAA"},
        {"auth": "A" * 400},
    ],
)
def test_what_no_browser_tells_is_refused(client, user, browser, changes):
    client.force_login(user)
    assert switch_on(client, browser, **changes).status_code == 400
    assert not PushSubscription.objects.exists()


def test_a_browser_belongs_to_whoever_subscribed_last(client, user, other_user, browser):
    for person in (user, other_user):
        client.force_login(person)
        assert switch_on(client, browser).status_code == 204
    assert PushSubscription.objects.get().user == other_user


def test_nobody_ends_the_subscription_of_another_user(client, other_user, subscription):
    client.force_login(other_user)
    client.post(reverse("accounts:push-off"), {"endpoint": subscription.endpoint})
    assert PushSubscription.objects.exists()


def test_of_too_many_browsers_the_first_gives_way(user, other_user, service):
    services.subscribe(other_user, service.subscribe("", "theirs").told, "en")
    for n in range(services.MOST + 2):
        services.subscribe(user, service.subscribe("", f"n{n}").told, "en")
    mine = PushSubscription.objects.filter(user=user)
    assert [one.endpoint.rsplit("/", 1)[-1] for one in mine] == [f"n{n}" for n in range(2, services.MOST + 2)]
    assert PushSubscription.objects.filter(user=other_user).count() == 1


def test_subscribing_is_rate_limited(client, user, browser, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"push": "2/h/user"}
    client.force_login(user)
    assert [switch_on(client, browser).status_code for _ in range(3)] == [204, 204, 429]


def test_signing_out_ends_this_browsers_subscription_only(user, service):
    here, there = Client(), Client()
    for name, client in (("here", here), ("there", there)):
        client.force_login(user)
        switch_on(client, service.subscribe("", name))
    here.post(reverse("account_logout"))
    assert PushSubscription.objects.get().endpoint.endswith("there")


def test_pages_know_whether_this_session_has_subscribed(client, user, browser):
    def says() -> bool:
        return "data-subscribed" in client.get(reverse("generation:jobs")).text

    client.force_login(user)
    assert not says()
    switch_on(client, browser)
    assert says()
    client.post(reverse("account_logout"))
    client.force_login(user)
    assert not says()


def test_after_signing_out_everywhere_else_the_page_subscribes_again(client, user, browser):
    client.force_login(user)
    switch_on(client, browser)
    client.post(reverse("accounts:end-sessions"))
    assert "data-subscribed" not in client.get(reverse("generation:jobs")).text


def test_a_site_that_sends_none_offers_no_key_and_accepts_no_browser(client, user, browser, settings):
    client.force_login(user)
    assert 'data-key=""' not in client.get(reverse("generation:jobs")).text
    settings.PUSH_SERVICES = []
    assert 'data-key=""' in client.get(reverse("generation:jobs")).text
    assert switch_on(client, browser).status_code == 400


def test_an_account_takes_its_browsers_along(user, subscription):
    accounts.request_deletion(user)
    assert accounts.settle(user.pk)
    assert not PushSubscription.objects.exists()


def test_the_export_names_the_browsers_but_nothing_to_send_with(client, user, subscription):
    client.force_login(user)
    assert "1 browser with notifications" in client.get(reverse("accounts:data")).text
    exported = {entry.name: b"".join(entry.read()).decode() for entry in personal_data.export(user)}
    (record,) = json.loads(exported["notifications.json"])
    assert record.keys() == {"push_service", "language", "created"}
    assert subscription.auth not in "".join(exported.values())


def test_the_worker_covers_the_whole_site_and_is_asked_for_anew(client):
    answer = client.get(reverse("service-worker"))
    assert reverse("service-worker").count("/") == 1
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Cache-Control"] == "no-cache"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert 'addEventListener("push"' in answer.text


def test_a_new_password_ends_the_subscriptions_of_before(user, subscription):
    assert subscription.session == services.session_digest(user)
    user.set_password(PASSWORD + "!")
    assert subscription.session != services.session_digest(user)


def test_two_users_have_different_digests(user):
    assert services.session_digest(user) != services.session_digest(UserFactory())

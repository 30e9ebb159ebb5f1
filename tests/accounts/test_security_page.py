"""The security page: where a user is signed in, signing out there, and what happened to the account."""

import json

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth import get_user
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import services
from accounts.models import PushSubscription, SecurityEvent
from accounts.push import services as push
from accounts.security import sessions
from accounts.security.browsers import browser_of
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.6 Mobile/15E148 Safari/604.1"
)
SECURITY = "/settings/security/"


@pytest.fixture(autouse=True)
def _uses_are_noted(_empty_redis, monkeypatch):
    monkeypatch.setattr(sessions, "NOTE_SECONDS", 300)
    sessions._noted.clear()


def browser(user, agent: str = FIREFOX, address: str = "192.0.2.7") -> Client:
    """Return a browser in which the user has signed in."""
    client = Client(headers={"user-agent": agent}, REMOTE_ADDR=address)
    answer = client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    assert answer.status_code == 302
    return client


def page_of(client: Client) -> str:
    return client.get(SECURITY).content.decode()


def is_signed_in(client: Client) -> bool:
    return get_user(client).is_authenticated


def key_of(client: Client) -> str:
    return client.cookies["sessionid"].value


def end(client: Client, other: Client):
    row = UserSession.objects.get(session_key=key_of(other))
    return client.post(reverse("accounts:end-session", args=[row.pk]))


def kinds(user) -> list[str]:
    return list(SecurityEvent.objects.filter(user=user).order_by("pk").values_list("kind", flat=True))


# --- The list ---------------------------------------------------------------------------------------------------------


def test_each_browser_is_listed_with_its_address_and_only_this_one_is_marked(user, other_user):
    here = browser(user)
    browser(user, IPHONE, "2001:db8::1")
    browser(other_user, CHROME, "198.51.100.1")
    page = page_of(here)
    assert "Firefox on Linux" in page and "Safari on iPhone" in page and "2001:db8::1" in page
    assert "Chrome on Windows" not in page and "198.51.100.1" not in page
    assert page.count("this browser") == 1
    assert page.index("this browser") < page.index("Safari on iPhone")


def test_a_session_from_before_this_version_appears_with_its_next_page(user):
    client = Client(headers={"user-agent": FIREFOX})
    client.force_login(user)
    assert not UserSession.objects.exists()
    client.get(reverse("accounts:profile"))
    assert "Firefox on Linux" in page_of(client)


def test_the_last_use_is_written_every_few_minutes_only(user):
    client = browser(user)
    client.get(SECURITY)
    with CaptureQueriesContext(connection) as asked:
        client.get(reverse("accounts:profile"))
    assert not any("usersession" in query["sql"] for query in asked.captured_queries)
    before = UserSession.objects.get().last_seen_at
    sessions._noted.clear()
    client.get(SECURITY, REMOTE_ADDR="192.0.2.8")
    row = UserSession.objects.get()
    assert row.last_seen_at > before and row.ip == "192.0.2.8"


def test_sessions_that_a_new_password_ended_are_not_listed(user):
    here, there = browser(user), browser(user, IPHONE)
    form = {"oldpassword": PASSWORD, "password1": "a lamp in the rain", "password2": "a lamp in the rain"}
    assert here.post(reverse("account_change_password"), form).status_code == 302
    assert is_signed_in(here) and not is_signed_in(there)
    page = page_of(here)
    assert "Safari on iPhone" not in page.split("What happened lately")[0]
    assert not Session.objects.filter(session_key=key_of(there)).exists(), "it is deleted, not only invalid"


def test_only_so_many_sessions_are_kept(user, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 2)
    first, second, third = browser(user), browser(user, CHROME), browser(user, IPHONE)
    assert [is_signed_in(one) for one in (first, second, third)] == [False, True, True]


def test_signing_out_takes_the_session_from_the_list(user):
    here, there = browser(user), browser(user, IPHONE)
    there.post(reverse("account_logout"))
    assert UserSession.objects.filter(user_id=user.pk).count() == 1
    assert is_signed_in(here)


def test_what_is_known_of_sessions_goes_with_them(user):
    browser(user)
    Session.objects.update(expire_date=timezone.now())
    call_command("clearsessions")
    assert sessions.prune() == 1


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (CHROME, "Chrome on Windows"),
        (CHROME + " Edg/140.0.0.0", "Microsoft Edge on Windows"),
        (CHROME.replace("Windows NT 10.0; Win64; x64", "Linux; Android 10; K"), "Chrome on Android"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Version/18.6 Safari/605.1.15", "Safari on macOS"),
        ("curl/8.14.1", "curl"),
        ("", "Unknown browser"),
        ("<script>alert(1)</script>\x00", "Unknown browser"),
    ],
)
def test_a_browser_is_told_in_words(agent, words):
    assert str(browser_of(agent)) == words


def test_what_a_browser_calls_itself_is_stored_without_control_characters(user):
    browser(user, "Firefox/1.0\x00\u202e" + "x" * 1000)
    stored = UserSession.objects.get().user_agent
    assert stored.isprintable() and stored.startswith("Firefox/1.0x") and len(stored) <= 200


# --- Signing out elsewhere --------------------------------------------------------------------------------------------


def test_one_browser_is_signed_out_from_another(user):
    here, there, third = browser(user), browser(user, IPHONE), browser(user, CHROME)
    answer = end(here, there)
    assert answer.url == SECURITY
    assert [is_signed_in(one) for one in (here, there, third)] == [True, False, True]
    assert kinds(user)[-1] == "sessions-ended"


def test_a_request_that_still_runs_cannot_bring_an_ended_session_back(user):
    here, there = browser(user), browser(user, IPHONE)
    running = there.session
    assert running["_auth_user_id"] == str(user.pk), "loaded, as a request holds it"
    end(here, there)
    running["queued"] = "by a slow request"
    with pytest.raises(UpdateError):
        running.save()
    assert not is_signed_in(there)


def test_ending_a_session_ends_its_notifications_and_open_pages_only(user, monkeypatch):
    here, there = browser(user), browser(user, IPHONE)
    made = []
    for client, end_point in ((here, "https://fcm.googleapis.com/1"), (there, "https://fcm.googleapis.com/2")):
        told = {"endpoint": end_point, "p256dh": "x", "auth": "y"}
        subscription = push.subscribe(user, told, "en")
        session = client.session
        session["push"] = [subscription.pk, subscription.session]
        session.save()
        made.append(subscription.pk)
    hung_up = []
    monkeypatch.setattr("generation.queue.events.hang_up", hung_up.append)
    end(here, there)
    assert list(PushSubscription.objects.values_list("pk", flat=True)) == made[:1]
    assert hung_up == [user.pk]


def test_nobody_ends_the_session_of_somebody_else(user, other_user):
    here, there = browser(user), browser(other_user)
    assert end(here, there).status_code == 404
    assert is_signed_in(there)


def test_an_address_of_this_browser_signs_out_here(user):
    here = browser(user)
    assert end(here, here).url == reverse("home")
    assert not is_signed_in(here)


def test_ending_a_session_twice_is_answered_404(user):
    here, there = browser(user), browser(user, IPHONE)
    address = reverse("accounts:end-session", args=[UserSession.objects.get(session_key=key_of(there)).pk])
    assert (here.post(address).status_code, here.post(address).status_code) == (302, 404)


def test_all_others_are_signed_out_at_once(user):
    here, *others = browser(user), browser(user, IPHONE), browser(user, CHROME)
    assert here.post(reverse("accounts:end-sessions")).url == SECURITY
    assert is_signed_in(here) and not any(map(is_signed_in, others))
    assert page_of(here).count("Nowhere else.") == 1


def test_suspending_or_leaving_leaves_no_session(user):
    there = browser(user)
    services.deactivate(user)
    services.settle(user.pk)
    assert not UserSession.objects.exists() and not Session.objects.filter(session_key=key_of(there)).exists()


# --- What happened, and emails ----------------------------------------------------------------------------------------


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    """Return the context in which emails are sent, as at the end of a transaction."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def test_the_first_sign_in_is_nothing_to_warn_of_and_neither_is_a_known_browser(user, commits):
    with commits():
        here = browser(user)
        here.get(SECURITY)
        here.post(reverse("account_logout"))
        here.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    assert kinds(user) == ["sign-in", "sign-in"]
    assert mail.outbox == []


def test_a_sign_in_on_a_new_device_is_told_by_email_in_the_owners_language(user, commits):
    user.language = "pl"
    user.save()
    browser(user)
    with commits():
        browser(user, IPHONE, "203.0.113.9")
    (letter,) = mail.outbox
    assert letter.to == [user.email] and "\n" not in letter.subject
    assert "Safari, iPhone, 203.0.113.9" in letter.body and "http://testserver/settings/security/" in letter.body
    assert "happened" not in letter.body
    assert "Zalogowano na nowym urządzeniu" in page_of(browser(user))


def test_signing_up_sends_nothing_about_a_new_device(client, commits):
    form = {"username": "ada", "email": "ada@example.com", "password1": "a lamp in the fog"}
    with commits():
        client.post(reverse("account_signup"), {**form, "password2": form["password1"]})
    assert [event.kind for event in SecurityEvent.objects.all()] == ["sign-in"]
    assert mail.outbox == []


def test_a_new_password_is_told_by_email(user, commits):
    here = browser(user)
    form = {"oldpassword": PASSWORD, "password1": "a lamp in the rain", "password2": "a lamp in the rain"}
    with commits():
        here.post(reverse("account_change_password"), form)
    assert [letter.subject for letter in mail.outbox] == ["AuraVideo: Your account: Password changed"]


def test_where_no_emails_are_sent_the_page_tells_it_alone(user, commits, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    browser(user)
    with commits():
        page = page_of(browser(user, IPHONE))
    assert mail.outbox == []
    assert "Signed in on a new device" in page and "You also get an email" not in page


def test_a_wrong_password_is_shown_to_the_owner_and_to_nobody_by_email(user, client, commits):
    with commits():
        client.post(reverse("account_login"), {"login": user.email, "password": "wrong"})
    assert kinds(user) == ["failed"]
    assert "Failed sign-in" in page_of(browser(user))
    assert mail.outbox == []


def test_failed_sign_ins_of_an_intruder_push_nothing_else_off_the_page(user):
    here = browser(user)
    browser(user, IPHONE, "203.0.113.9")
    SecurityEvent.objects.bulk_create(SecurityEvent(user=user, kind="failed") for _attempt in range(50))
    page = page_of(here)
    assert "Signed in on a new device" in page
    assert page.count("Failed sign-in") == 10


def test_nothing_typed_is_stored_of_a_sign_in_to_no_account(client, db):
    client.post(reverse("account_login"), {"login": "my-password-by-mistake", "password": "x"})
    (event,) = SecurityEvent.objects.all()
    assert (event.user, event.kind, event.detail) == (None, "failed", "password")


def test_old_events_are_deleted(user, settings):
    from accounts.security import events

    browser(user)
    old = timezone.now() - timezone.timedelta(days=settings.SECURITY_LOG_DAYS, seconds=1)
    SecurityEvent.objects.update(at=old)
    kept = SecurityEvent.objects.create(user=user, kind="sign-in")
    assert events.prune() == 1
    assert list(SecurityEvent.objects.all()) == [kept]


def test_sessions_and_events_are_part_of_the_data_export_without_keys(user):
    here = browser(user)
    files = {entry.name: b"".join(entry.read()) for entry in services.export(user)}
    exported = json.loads(files["sessions.json"]), json.loads(files["security.json"])
    assert exported[0][0]["browser"] == FIREFOX and exported[1][0]["what"] == "sign-in"
    assert key_of(here) not in str(exported)


def test_a_stranger_cannot_see_the_page(client):
    assert client.get(SECURITY).url.startswith(reverse("account_login"))
    assert client.post(reverse("accounts:end-session", args=[1])).url.startswith(reverse("account_login"))

"""The user concerned gets an email, in their language, even if the mail server or the broker fails at first."""

import smtplib
from datetime import timedelta

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.urls import reverse, reverse_lazy
from django.utils import timezone
from kombu.exceptions import OperationalError

from accounts.models import User
from auravideo.celery import app
from gallery.models import Video, Visibility
from gallery.moderation import emails, services
from tests.factories import PASSWORD, ReportFactory, UserFactory, VideoFactory, a_known_user, a_moderator
from tests.persons import sign_in

pytestmark = pytest.mark.django_db

WHY = "It shows somebody who did not agree"
MAIL_ERRORS = [smtplib.SMTPServerDisconnected("gone"), ConnectionRefusedError("no"), TimeoutError("slow")]


@pytest.fixture
def video():
    return VideoFactory(visibility=Visibility.PUBLIC, published_at=timezone.now())


@pytest.fixture
def hide(video, django_capture_on_commit_callbacks):
    """Return a function that hides the video and runs the on-commit callbacks."""

    def hide_it():
        with django_capture_on_commit_callbacks(execute=True):
            assert services.hide(a_moderator(), Video.objects.get(), WHY)

    return hide_it


class Failing:
    """A mail server that fails a given number of times."""

    def __init__(self, times: int, error: Exception, monkeypatch) -> None:
        self.times, self.error, self.asked = times, error, 0
        self.really = EmailBackend.send_messages
        monkeypatch.setattr(EmailBackend, "send_messages", lambda backend, sent: self.send(backend, sent))

    def send(self, backend, messages):
        self.asked += 1
        if self.asked <= self.times:
            raise self.error
        return self.really(backend, messages)


def refuses(*_args, **_options):
    raise OperationalError("no broker")


@pytest.mark.parametrize(("language", "subject"), [("pl", "Twój klip jest ukryty"), ("", "Your clip is hidden")])
def test_an_email_is_in_the_recipients_language(video, hide, letters_written, language, subject):
    User.objects.filter(pk=video.user_id).update(language=language)
    hide()
    assert mail.outbox[0].subject == f"AuraVideo: {subject}"
    assert WHY in mail.outbox[0].body


NOTICES = f"http://testserver{reverse_lazy('gallery:notices')}"


@pytest.mark.parametrize(
    ("action", "place"), [("hide", NOTICES), ("remove", NOTICES), ("warn", NOTICES), ("suspend", "at testserver")]
)
def test_an_email_links_to_the_site_as_the_moderator_reached_it(
    video, letters_written, client, django_capture_on_commit_callbacks, action, place
):
    report = ReportFactory(video=video)
    sign_in(client, a_moderator())
    values = {"action": action, "_selected_action": str(report.pk), "why": WHY, "days": "3", "decided": "yes"}
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("admin:gallery_report_changelist"), values, follow=True)
    (letter,) = mail.outbox
    assert place in letter.body


def test_an_email_about_an_automatic_hiding_links_to_the_site_as_the_reporter_reached_it(
    video, letters_written, client, settings, django_capture_on_commit_callbacks
):
    settings.AUTO_HIDE_REPORTS = 1
    sign_in(client, a_known_user())
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("gallery:report", args=[video.pk]), {"reason": "spam"})
    (letter,) = mail.outbox
    assert NOTICES in letter.body


def test_an_email_about_an_expired_suspension_links_to_the_site_as_the_user_reached_it(
    user, letters_written, client, django_capture_on_commit_callbacks
):
    services.suspend(a_moderator(), user, timezone.now() - timedelta(seconds=1), WHY)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    (letter,) = mail.outbox
    assert NOTICES in letter.body


def test_a_user_without_an_address_gets_a_notice_but_no_email(letters_written, django_capture_on_commit_callbacks):
    video = VideoFactory(user=UserFactory(email=""))
    with django_capture_on_commit_callbacks(execute=True):
        services.hide(a_moderator(), video, WHY)
    assert mail.outbox == []
    assert User.objects.get(pk=video.user_id).unread_notices == 1


def test_an_account_deleted_before_its_email_gets_none(video, hide, monkeypatch):
    asked = []
    monkeypatch.setattr(app, "send_task", lambda name, args, **_options: asked.append(args))
    hide()
    User.objects.filter(pk=video.user_id).delete()
    (args,) = asked
    emails.write(*args)
    assert mail.outbox == []


@pytest.mark.parametrize("error", MAIL_ERRORS)
def test_a_failing_mail_server_is_retried(hide, letters_written, monkeypatch, error):
    server = Failing(3, error, monkeypatch)
    hide()
    assert server.asked == 4
    assert len(mail.outbox) == 1


def test_retries_end_and_hold_up_nothing_if_the_mail_server_stays_down(hide, letters_written, monkeypatch):
    server = Failing(99, ConnectionRefusedError("no"), monkeypatch)
    hide()
    assert server.asked == 6
    assert Video.objects.get().hidden_at


def test_without_a_broker_the_email_is_sent_at_once(hide, monkeypatch):
    monkeypatch.setattr(app, "send_task", refuses)
    hide()
    assert len(mail.outbox) == 1


def test_without_a_broker_and_a_mail_server_it_is_logged(hide, monkeypatch, caplog):
    monkeypatch.setattr(app, "send_task", refuses)
    Failing(99, ConnectionRefusedError("no"), monkeypatch)
    hide()
    assert "could not be sent" in caplog.text
    assert Video.objects.get().hidden_at


def test_the_end_of_a_suspension_arrives_as_it_was_meant(user, letters_written, django_capture_on_commit_callbacks):
    until = timezone.now() + timedelta(days=400)
    with django_capture_on_commit_callbacks(execute=True):
        services.suspend(a_moderator(), user, until, WHY)
    assert f"{until:%Y}" in mail.outbox[0].body

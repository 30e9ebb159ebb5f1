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
from tests.factories import PASSWORD, ReportFactory, UserFactory, VideoFactory, a_moderator

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


@pytest.mark.parametrize(("language", "subject"), [("pl", "Twój film jest ukryty"), ("", "Your video is hidden")])
def test_a_letter_is_in_the_language_of_whom_it_is_for(video, hide, letters_written, language, subject):
    User.objects.filter(pk=video.user_id).update(language=language)
    hide()
    assert mail.outbox[0].subject == f"AuraVideo: {subject}"
    assert WHY in mail.outbox[0].body


NOTICES = f"http://testserver{reverse_lazy('gallery:notices')}"


@pytest.mark.parametrize(
    ("action", "place"), [("hide", NOTICES), ("remove", NOTICES), ("warn", NOTICES), ("suspend", "at testserver")]
)
def test_a_letter_leads_to_the_site_as_the_moderator_reached_it(
    video, letters_written, client, django_capture_on_commit_callbacks, action, place
):
    report = ReportFactory(video=video)
    client.force_login(a_moderator())
    values = {"action": action, "_selected_action": str(report.pk), "reason": WHY, "days": "3", "decided": "yes"}
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("admin:gallery_report_changelist"), values, follow=True)
    (letter,) = mail.outbox
    assert place in letter.body


def test_a_letter_about_what_reports_did_leads_to_the_site_as_the_reporter_reached_it(
    video, letters_written, client, settings, django_capture_on_commit_callbacks
):
    settings.AUTO_HIDE_REPORTS = 1
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("gallery:report", args=[video.pk]), {"reason": "spam"})
    (letter,) = mail.outbox
    assert NOTICES in letter.body


def test_a_letter_about_a_suspension_that_ended_leads_to_the_site_as_its_owner_reached_it(
    user, letters_written, client, django_capture_on_commit_callbacks
):
    services.suspend(a_moderator(), user, timezone.now() - timedelta(seconds=1), WHY)
    with django_capture_on_commit_callbacks(execute=True):
        client.post(reverse("account_login"), {"login": user.username, "password": PASSWORD})
    (letter,) = mail.outbox
    assert NOTICES in letter.body


def test_who_has_no_address_gets_no_letter_and_a_notice(letters_written, django_capture_on_commit_callbacks):
    video = VideoFactory(user=UserFactory(email=""))
    with django_capture_on_commit_callbacks(execute=True):
        services.hide(a_moderator(), video, WHY)
    assert mail.outbox == []
    assert User.objects.get(pk=video.user_id).unread_notices == 1


def test_an_account_that_is_gone_before_its_letter_gets_none(video, hide, monkeypatch):
    asked = []
    monkeypatch.setattr(app, "send_task", lambda name, args, **_options: asked.append(args))
    hide()
    User.objects.filter(pk=video.user_id).delete()
    (args,) = asked
    emails.write(*args)
    assert mail.outbox == []


@pytest.mark.parametrize("error", MAIL_ERRORS)
def test_a_mail_server_that_fails_is_asked_again(hide, letters_written, monkeypatch, error):
    server = Failing(3, error, monkeypatch)
    hide()
    assert server.asked == 4
    assert len(mail.outbox) == 1


def test_a_mail_server_that_stays_away_is_given_up_and_holds_up_nothing(hide, letters_written, monkeypatch):
    server = Failing(99, ConnectionRefusedError("no"), monkeypatch)
    hide()
    assert server.asked == 6
    assert Video.objects.get().hidden_at


def test_without_a_broker_the_letter_is_written_here_and_now(hide, monkeypatch):
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

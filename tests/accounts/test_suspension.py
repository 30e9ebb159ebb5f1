"""A suspended account is closed in every way, explains why to its owner alone, and reopens by itself or by hand."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.adapter import get_adapter as mfa_adapter
from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user
from django.core import mail
from django.urls import reverse
from django.utils import timezone

from accounts import services, tasks
from accounts.models import User
from accounts.sign_in.mails import MAIL_TASK
from auravideo.celery import app
from gallery.models import Video, Visibility
from generation.domain.states import Status
from generation.models import Job
from tests import totp
from tests.factories import PASSWORD, JobFactory, VideoFactory

pytestmark = pytest.mark.django_db

WHY = "Three films that belong to somebody else"


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """Capture messages instead of queueing them."""
    messages = []
    send = app.send_task

    def send_task(name, args, **options):
        return send(name, args) if name == MAIL_TASK else messages.append((name, *args))

    monkeypatch.setattr(app, "send_task", send_task)
    return messages


def sign_in(client, user, password=PASSWORD, **options):
    return client.post(reverse("account_login"), {"login": user.username, "password": password}, **options)


def in_a_week():
    return timezone.now() + timedelta(days=7)


def reads(user) -> User:
    user.refresh_from_db()
    return user


def run_out(user) -> None:
    User.objects.filter(pk=user.pk).update(suspended_until=timezone.now() - timedelta(seconds=1))


# --- Suspend ----------------------------------------------------------------------------------------------------------


def test_suspending_ends_every_session_stops_what_runs_and_deletes_nothing(
    client, user, sent, django_capture_on_commit_callbacks
):
    job, video = JobFactory(user=user, status=Status.QUEUED), VideoFactory(user=user)
    client.force_login(user)
    with django_capture_on_commit_callbacks(execute=True):
        assert services.suspend(user, in_a_week(), WHY)
    assert (reads(user).is_suspended, user.is_active) == (True, False)
    assert not get_user(client).is_authenticated
    assert sent == [(services.SETTLE_TASK, user.pk)]
    assert services.settle(user.pk)
    assert Job.objects.get(pk=job.pk).status == Status.CANCELLED
    assert Video.objects.get() == video


def test_their_published_videos_are_hidden_during_the_suspension(user):
    VideoFactory(user=user, visibility=Visibility.PUBLIC, published_at=timezone.now())
    assert Video.objects.listed().exists()
    services.suspend(user, None, WHY)
    assert not Video.objects.listed().exists()
    services.unsuspend(user)
    assert Video.objects.listed().exists()


def test_a_lost_message_does_not_keep_their_jobs_running(user):
    job = JobFactory(user=user, status=Status.QUEUED)
    services.suspend(user, None, WHY)
    assert services.settle_left_over() == 1
    assert Job.objects.get(pk=job.pk).status == Status.CANCELLED


def test_a_second_suspension_replaces_the_end_and_reason(user):
    services.suspend(user, in_a_week(), "first")
    assert services.suspend(user, None, WHY)
    assert (reads(user).suspended_until, user.suspension_reason) == (None, WHY)


def test_an_account_that_the_operator_switched_off_or_that_is_being_deleted_is_not_suspended(user, other_user):
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert not services.suspend(user, None, WHY)
    services.request_deletion(other_user)
    assert not services.suspend(other_user, None, WHY)
    assert not User.objects.filter(suspended_at__isnull=False).exists()


def test_a_suspended_account_can_still_be_deleted(user):
    services.suspend(user, None, WHY)
    assert services.request_deletion(user)
    assert services.settle(user.pk)
    assert not User.objects.exists()


# --- What the user reads ----------------------------------------------------------------------------------------------


def test_signing_in_says_that_it_is_suspended_why_and_until_when(client, user):
    until = in_a_week()
    services.suspend(user, until, WHY)
    page = sign_in(client, user, follow=True).content.decode()
    assert "Your account is suspended" in page
    assert WHY in page
    assert f"{until:%Y}" in page
    assert not get_user(client).is_authenticated


def test_a_suspension_without_an_end_says_so(client, user):
    services.suspend(user, None, WHY)
    assert "until the site's operator ends" in sign_in(client, user, follow=True).content.decode()


def test_it_is_said_in_the_persons_language_whatever_the_browser_asks_for(client, user):
    User.objects.update(language="pl")
    services.suspend(user, None, WHY)
    page = sign_in(client, user, follow=True, headers={"Accept-Language": "en"}).content.decode()
    assert "Twoje konto jest zawieszone" in page
    assert '<html lang="pl"' in page


def test_a_wrong_password_tells_nobody_that_an_account_is_suspended(client, user):
    services.suspend(user, None, WHY)
    response = sign_in(client, user, "wrong")
    assert response.status_code == 200
    assert "suspended" not in response.content.decode()
    assert client.get(reverse("accounts:suspended")).url == reverse("account_login")


def test_the_second_factor_comes_before_it(client, user):
    secret = "JBSWY3DPEHPK3PXP"
    data = {"secret": mfa_adapter().encrypt(secret)}
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data)
    services.suspend(user, None, WHY)
    assert sign_in(client, user).url == reverse("mfa_authenticate")
    assert client.get(reverse("accounts:suspended")).url == reverse("account_login")
    assert client.post(reverse("mfa_authenticate"), {"code": totp.code(secret)}).url == reverse("accounts:suspended")
    assert WHY in client.get(reverse("accounts:suspended")).content.decode()
    assert not get_user(client).is_authenticated


def test_no_page_opens_after_it(client, user):
    services.suspend(user, None, WHY)
    sign_in(client, user)
    for address in (reverse("generation:create"), reverse("accounts:data"), reverse("accounts:reactivate")):
        assert client.get(address).status_code == 302
    client.post(reverse("accounts:reactivate"))
    assert not get_user(client).is_authenticated
    assert reads(user).is_suspended


def test_users_without_their_password_can_still_read_why(client, user):
    services.suspend(user, None, WHY)
    client.post(reverse("account_reset_password"), {"email": user.email})
    link = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)[1]
    form = client.get(link, follow=True)
    client.post(form.request["PATH_INFO"], {"password1": "a lamp in the rain", "password2": "a lamp in the rain"})
    assert WHY in sign_in(client, user, "a lamp in the rain", follow=True).content.decode()


# --- Its end ----------------------------------------------------------------------------------------------------------


def test_ended_by_hand_everything_is_as_before(client, user):
    services.suspend(user, None, WHY)
    assert services.unsuspend(user)
    assert not services.unsuspend(user)
    assert (reads(user).is_active, user.is_suspended, user.suspension_reason) == (True, False, "")
    assert sign_in(client, user).url == reverse("generation:create")
    assert get_user(client) == user


def test_it_ends_by_itself_when_its_time_has_come(user, other_user):
    services.suspend(user, in_a_week(), WHY)
    services.suspend(other_user, None, WHY)
    assert tasks.end_suspensions() == 0
    run_out(user)
    assert tasks.end_suspensions() == 1
    assert tasks.end_suspensions() == 0
    assert reads(user).is_active
    assert reads(other_user).is_suspended


def test_the_scheduler_ends_them():
    app.loader.import_default_modules()
    assert "accounts.tasks.end_suspensions" in {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert "accounts.tasks.end_suspensions" in app.tasks


def test_signing_in_ends_one_whose_time_has_come(client, user):
    services.suspend(user, in_a_week(), WHY)
    run_out(user)
    assert sign_in(client, user).url == reverse("generation:create")
    assert get_user(client) == user


def test_old_sessions_do_not_come_back(client, user):
    client.force_login(user)
    services.suspend(user, None, WHY)
    services.unsuspend(user)
    assert client.get(reverse("gallery:library")).status_code == 302


# --- Combined with deactivation ---------------------------------------------------------------------------------------


def test_coming_back_from_a_deactivation_ends_no_suspension(client, user):
    services.deactivate(user)
    assert services.suspend(user, None, WHY)
    assert not services.reactivate(user)
    assert sign_in(client, user).url == reverse("accounts:suspended")
    client.post(reverse("accounts:reactivate"))
    assert reads(user).is_suspended


def test_a_deactivated_account_is_still_deactivated_when_its_suspension_ends(client, user):
    services.deactivate(user)
    services.suspend(user, in_a_week(), WHY)
    run_out(user)
    assert sign_in(client, user).url == reverse("accounts:reactivate")
    assert (reads(user).is_deactivated, user.is_active) == (True, False)
    client.post(reverse("accounts:reactivate"))
    assert reads(user).is_active


def test_a_suspended_account_cannot_be_deactivated(user):
    services.suspend(user, None, WHY)
    assert not services.deactivate(user)
    assert reads(user).deactivated_at is None

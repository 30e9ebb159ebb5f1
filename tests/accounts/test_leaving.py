"""Deactivating loses nothing and closes every way in; deleting leaves neither rows nor files."""

import re
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.contrib.auth import get_user
from django.core import mail
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.test import Client
from django.urls import reverse

from accounts import personal_data, services
from accounts.models import User
from accounts.sign_in.mails import MAIL_TASK
from auravideo.celery import app
from gallery.models import Video
from generation.domain.states import RunStatus, Status
from generation.models import Batch, Job
from tests.factories import PASSWORD, BatchFactory, JobFactory, VideoFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def sent(monkeypatch):
    """Capture messages instead of queueing them; emails are sent at once (conftest.py)."""
    messages, send = [], app.send_task

    def send_task(name, args, **options):
        return send(name, args) if name == MAIL_TASK else messages.append((name, *args))

    monkeypatch.setattr(app, "send_task", send_task)
    return messages


def sign_in(client, user, password=PASSWORD, follow=False):
    return client.post(reverse("account_login"), {"login": user.username, "password": password}, follow=follow)


def a_video_with_files(user) -> Video:
    job = JobFactory(user=user, status=Status.DONE)
    names = {}
    for kind, name in (("video_file", "video.mp4"), ("poster_file", "poster.webp"), ("preview_file", "preview.webp")):
        names[kind] = storages["default"].save(f"videos/{job.pk}/{name}", ContentFile(b"x" * 1000))
    return VideoFactory(user=user, job=job, size=1000, **names)


def a_running_job(user) -> Job:
    job = JobFactory(user=user, status=Status.RUNNING)
    job.stage_runs.create(
        run=1, stage="generate", worker="w", started_at=job.queued_at, heartbeat_at=job.queued_at, output={}
    )
    storages["frames"].save(f"jobs/{job.pk}/generate/0000.safetensors", ContentFile(b"frames"))
    storages["frames"].save(f"jobs/{job.pk}/preview.webp", ContentFile(b"picture"))
    return job


def files_in(alias: str) -> list[Path]:
    return [path for path in Path(storages[alias].location).rglob("*") if path.is_file()]


def rows_of(user_id: int) -> dict[str, int]:
    """Return the rows of every model that points at the user."""
    found = {}
    for model in apps.get_models():
        for field in model._meta.fields:
            if field.is_relation and field.related_model is User:
                found[f"{model.__name__}.{field.name}"] = model.objects.filter(**{field.name: user_id}).count()
    assert len(found) >= 5
    return {name: count for name, count in found.items() if count}


# --- Deactivate -------------------------------------------------------------------------------------------------------


def test_the_page_says_what_deactivating_means_before_it_is_done(client, user):
    client.force_login(user)
    page = client.get(reverse("accounts:deactivate")).content.decode()
    for promise in ("signed out everywhere", "hidden from everyone", "are cancelled", "Nothing is deleted"):
        assert promise in page
    user.refresh_from_db()
    assert user.is_active


def test_deactivating_ends_every_session_and_deletes_nothing(client, user, sent, django_capture_on_commit_callbacks):
    video, elsewhere = a_video_with_files(user), Client()
    client.force_login(user)
    elsewhere.force_login(user)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(reverse("accounts:deactivate")).url == reverse("home")
    user.refresh_from_db()
    assert (user.is_deactivated, user.is_active) == (True, False)
    assert not get_user(client).is_authenticated
    assert elsewhere.get(reverse("gallery:library")).status_code == 302
    assert sent == [(services.SETTLE_TASK, user.pk)]
    services.settle(user.pk)
    assert Video.objects.get() == video
    assert len(files_in("default")) == 3


def test_queued_and_running_jobs_are_cancelled(user, other_user, django_capture_on_commit_callbacks):
    mine, done, theirs = a_running_job(user), JobFactory(user=user, status=Status.DONE), a_running_job(other_user)
    services.deactivate(user)
    services.settle(user.pk)
    assert Job.objects.get(pk=mine.pk).status == Status.CANCELLED
    assert mine.stage_runs.get().status == RunStatus.CANCELLED
    assert Job.objects.get(pk=done.pk).status == Status.DONE
    assert Job.objects.get(pk=theirs.pk).status == Status.RUNNING


def test_a_settle_that_comes_too_late_cancels_nothing(user):
    services.deactivate(user)
    services.reactivate(user)
    job = JobFactory(user=user, status=Status.QUEUED)
    assert services.settle(user.pk)
    job.refresh_from_db()
    assert job.status == Status.QUEUED


def test_deactivated_users_are_hidden(user, other_user):
    services.deactivate(user)
    assert list(User.objects.present()) == [other_user]
    assert list(Video.objects.filter(user__in=User.objects.present())) == []


def test_a_deactivated_user_cannot_get_a_session(client, user):
    user.is_staff = user.is_superuser = True
    user.save()
    services.deactivate(user)
    assert sign_in(client, user).url == reverse("accounts:reactivate")
    assert not get_user(client).is_authenticated
    for address in (reverse("generation:create"), reverse("accounts:data"), reverse("admin:index")):
        assert client.get(address).status_code == 302
    client.post(reverse("admin:login"), {"username": user.username, "password": PASSWORD})
    assert not get_user(client).is_authenticated
    assert not client.login(username=user.username, password=PASSWORD)
    user.refresh_from_db()
    assert user.is_deactivated


# --- Come back --------------------------------------------------------------------------------------------------------


def test_signing_in_again_asks_first_and_then_everything_is_back(client, user):
    video = a_video_with_files(user)
    services.deactivate(user)
    page = sign_in(client, user, follow=True).content.decode()
    assert "Welcome back?" in page
    assert user.username in page
    assert "csrfmiddlewaretoken" in page
    assert client.post(reverse("accounts:reactivate")).url == reverse("generation:create")
    assert get_user(client) == user
    user.refresh_from_db()
    assert (user.is_active, user.deactivated_at) == (True, None)
    assert client.get(reverse("gallery:video", args=[video.pk])).status_code == 200


def test_coming_back_leads_to_the_page_that_asked_for_signing_in(client, user):
    services.deactivate(user)
    data = {"login": user.username, "password": PASSWORD, "next": reverse("gallery:library")}
    client.post(reverse("account_login"), data)
    assert client.post(reverse("accounts:reactivate")).url == reverse("gallery:library")


def test_a_wrong_password_does_not_lead_to_the_question(client, user):
    services.deactivate(user)
    assert sign_in(client, user, "wrong").status_code == 200
    assert client.get(reverse("accounts:reactivate")).url == reverse("account_login")
    assert client.post(reverse("accounts:reactivate")).url == reverse("account_login")
    user.refresh_from_db()
    assert user.is_deactivated


def test_saying_no_leaves_the_account_as_it_is(client, user):
    services.deactivate(user)
    sign_in(client, user)
    client.post(reverse("account_logout"), {"next": reverse("account_login")})
    client.post(reverse("accounts:reactivate"))
    user.refresh_from_db()
    assert user.is_deactivated


def test_old_sessions_do_not_come_back_with_the_account(client, user):
    client.force_login(user)
    services.deactivate(user)
    services.reactivate(user)
    assert client.get(reverse("gallery:library")).status_code == 302


def test_an_account_that_the_operator_switched_off_is_not_asked(client, user):
    User.objects.update(is_active=False)
    assert sign_in(client, user).url == reverse("account_inactive")
    assert not services.reactivate(user)


def test_users_without_their_password_can_still_come_back(client, user):
    services.deactivate(user)
    client.post(reverse("account_reset_password"), {"email": user.email.upper()})
    link = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)[1]
    form = client.get(link, follow=True)
    client.post(form.request["PATH_INFO"], {"password1": "a lamp in the rain", "password2": "a lamp in the rain"})
    assert sign_in(client, user, "a lamp in the rain").url == reverse("accounts:reactivate")


# --- Delete forever --------------------------------------------------------------------------------------------------


def test_the_page_lists_what_will_be_deleted(client, user, other_user):
    for _ in range(2):
        a_video_with_files(user)
    a_video_with_files(other_user)
    a_running_job(user)
    BatchFactory(user=user)
    client.force_login(user)
    page = client.get(reverse("accounts:delete")).content.decode()
    for line in ("2 clips, 2.0", "3 requests", "1 batch", "cannot be undone"):
        assert line in page, line


@pytest.mark.parametrize("typed", ["", "wrong", PASSWORD.upper()])
def test_without_the_password_nothing_is_deleted(client, user, typed):
    client.force_login(user)
    response = client.post(reverse("accounts:delete"), {"password": typed})
    assert response.status_code == 200
    assert response.context["form"].errors["password"]
    user.refresh_from_db()
    assert user.is_active
    assert get_user(client) == user


def test_guessing_the_password_on_the_page_is_limited(client, user):
    client.force_login(user)
    for _ in range(5):
        client.post(reverse("accounts:delete"), {"password": "wrong"})
    response = client.post(reverse("accounts:delete"), {"password": PASSWORD})
    assert "Too many failed" in response.content.decode()
    user.refresh_from_db()
    assert user.is_active


def test_an_account_without_a_password_has_to_prove_itself_by_its_second_factor(client, user):
    user.set_unusable_password()
    user.save()
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={"name": "Passkey"})
    client.force_login(user)
    response = client.get(reverse("accounts:delete"))
    assert response.url.startswith(reverse("mfa_reauthenticate_webauthn"))
    assert client.post(reverse("accounts:delete"), {"username": user.username}).status_code == 302
    user.refresh_from_db()
    assert user.is_active


def test_an_account_with_neither_has_to_type_its_name(client, user):
    user.set_unusable_password()
    user.save()
    client.force_login(user)
    assert client.post(reverse("accounts:delete"), {"username": "somebody"}).status_code == 200
    assert client.post(reverse("accounts:delete"), {"username": user.username}).status_code == 302
    user.refresh_from_db()
    assert user.is_being_deleted


def test_a_deleted_account_is_closed_at_once_and_its_names_are_free(
    client, user, sent, django_capture_on_commit_callbacks
):
    name, address, elsewhere = user.username, user.email, Client()
    EmailAddress.objects.create(user=user, email=address, verified=True, primary=True)
    client.force_login(user)
    elsewhere.force_login(user)
    with django_capture_on_commit_callbacks(execute=True):
        assert client.post(reverse("accounts:delete"), {"password": PASSWORD}).url == reverse("home")
    assert sent == [(services.SETTLE_TASK, user.pk)]
    assert elsewhere.get(reverse("gallery:library")).status_code == 302
    assert sign_in(client, user).status_code == 200
    client.post(reverse("account_reset_password"), {"email": address})
    assert [letter.subject for letter in mail.outbox] == ["AuraVideo: There is no account with this address"]
    assert not get_user(client).is_authenticated
    fresh = {"username": name, "email": address, "password1": "a lamp in the fog", "password2": "a lamp in the fog"}
    assert client.post(reverse("account_signup"), fresh).status_code == 302
    assert User.objects.get(username=name).pk != user.pk


def test_deleting_leaves_neither_a_row_nor_a_file(user, other_user):
    a_video_with_files(user)
    a_running_job(user)
    JobFactory(user=user, batch=BatchFactory(user=user), row=1, status=Status.FAILED)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={})
    theirs = a_video_with_files(other_user)
    services.request_deletion(user)
    assert services.settle(user.pk)
    assert not User.objects.filter(pk=user.pk).exists()
    assert rows_of(user.pk) == {}
    assert not Batch.objects.exists()
    assert Video.objects.get() == theirs
    assert {path.name for path in files_in("default")} == {"video.mp4", "poster.webp", "preview.webp"}
    assert len(files_in("default")) == 3
    assert files_in("frames") == []


def test_the_scheduler_finishes_after_a_crash(user, monkeypatch):
    for _ in range(3):
        a_video_with_files(user)
    services.request_deletion(user)
    erase, steps = personal_data.erase, []

    def dies_after_one(person):
        for item in erase(person):
            if steps:
                raise RuntimeError("kill -9")
            steps.append(1)
            yield item

    monkeypatch.setattr(personal_data, "erase", dies_after_one)
    with pytest.raises(RuntimeError):
        services.settle(user.pk)
    assert 0 < Video.objects.count() < 3
    monkeypatch.setattr(personal_data, "erase", erase)
    assert services.settle_left_over() == 1
    assert not User.objects.exists()
    assert files_in("default") == []


def test_a_missing_file_holds_up_nothing(user):
    video = a_video_with_files(user)
    storages["default"].delete(video.video_file.name)
    services.request_deletion(user)
    assert services.settle(user.pk)
    assert not User.objects.exists()


def test_a_large_account_is_deleted_in_several_messages(user, sent):
    from accounts import tasks

    for _ in range(3):
        a_video_with_files(user)
    services.request_deletion(user)
    sent.clear()
    assert not services.settle(user.pk, seconds=0)
    assert Video.objects.count() == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "settle", lambda user_id: False)
        tasks.settle(user.pk)
    assert sent == [(services.SETTLE_TASK, user.pk)]


def test_no_deletion_is_lost_if_the_broker_is_down(user, monkeypatch, django_capture_on_commit_callbacks):
    def away(*_args, **_options):
        raise ConnectionError("no broker")

    monkeypatch.setattr(app, "send_task", away)
    with django_capture_on_commit_callbacks(execute=True):
        assert services.request_deletion(user)
    services.settle_left_over()
    assert not User.objects.exists()


def test_deleting_twice_is_one_deletion(user):
    assert services.request_deletion(user)
    assert not services.request_deletion(user)
    assert not services.deactivate(user)
    assert not services.reactivate(user)
    assert services.settle(user.pk)
    assert services.settle(user.pk)


def test_the_tasks_are_known_by_name_routed_and_scheduled():
    app.loader.import_default_modules()
    assert services.SETTLE_TASK in app.tasks
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert "accounts.tasks.settle_left_over" in scheduled
    assert scheduled <= set(app.tasks)
    assert app.amqp.router.route({}, services.SETTLE_TASK)["queue"].name == "cpu"


def test_settling_an_active_or_unknown_account_does_nothing(user):
    job = JobFactory(user=user, status=Status.QUEUED)
    services.settle(user.pk)
    services.settle(999)
    job.refresh_from_db()
    assert job.status == Status.QUEUED

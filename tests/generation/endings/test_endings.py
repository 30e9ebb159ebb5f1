"""Users are told once when a clip or all of a batch has ended, in their language, unless they have seen it."""

import pytest
from celery.exceptions import Retry
from django.utils import timezone

from accounts.push.services import subscribe
from auravideo.celery import app
from generation.domain.states import Status
from generation.endings import services, tasks
from generation.queue import services as queue
from tests.factories import BatchFactory, JobFactory, VideoFactory, a_request

pytestmark = pytest.mark.django_db


@pytest.fixture
def sent(monkeypatch):
    """Capture the messages of the broker that are about endings."""
    found = []
    record = lambda name, args, **options: found.append((args, options["queue"])) if "endings" in name else None  # noqa: E731
    monkeypatch.setattr(app, "send_task", record)
    return found


@pytest.fixture
def end(django_capture_on_commit_callbacks):
    """Return a function that ends a job as the queue does."""

    def end(job, status=Status.DONE):
        with django_capture_on_commit_callbacks(execute=True):
            changes = {"error_id": "worker-lost"} if status == Status.FAILED else {}
            assert queue.transition(job, status, ended_at=timezone.now(), **changes)
        job.refresh_from_db()
        return job

    return end


def running(user, **fields):
    return JobFactory(user=user, status=Status.RUNNING, **fields)


def test_each_browser_is_told_by_a_message_of_its_own(user, service, subscription, sent, end):
    other = subscribe(user, service.subscribe("", "other").told, "en")
    job = end(running(user))
    assert sent == [((subscription.pk, str(job.pk)), "cpu"), ((other.pk, str(job.pk)), "cpu")]


def test_who_has_not_asked_is_not_told_and_nobody_is_told_what_they_cancelled(
    user, other_user, subscription, sent, end
):
    end(running(other_user))
    end(running(user), Status.CANCELLED)
    assert sent == []


def test_a_site_that_sends_none_tells_nobody(user, subscription, sent, end, settings):
    settings.PUSH_SERVICES = []
    end(running(user))
    assert sent == []


@pytest.mark.parametrize(
    ("status", "title"), [(Status.DONE, "Your clip is ready"), (Status.FAILED, "Your clip failed")]
)
def test_the_message_names_the_clip_and_leads_to_it(user, browser, subscription, end, status, title):
    job = end(running(user, request=a_request(prompt="a red heart " * 20)), status)
    assert services.deliver(subscription.pk, job.pk)
    (message,) = browser.messages
    assert (message["title"], message["url"], message["tag"]) == (title, f"/jobs/{job.pk}/", job.pk.hex)
    assert message["body"].startswith("a red heart a red heart")
    assert len(message["body"]) == 120


def test_a_clip_with_a_title_is_called_by_it(user, browser, subscription, end):
    job = end(running(user))
    VideoFactory(user=user, job=job, title="Valentine")
    services.deliver(subscription.pk, job.pk)
    assert browser.messages[0]["body"] == "Valentine"


@pytest.mark.parametrize(("profile", "page"), [("pl", "en"), ("", "pl")])
def test_it_speaks_the_users_language_or_that_of_the_page(user, browser, end, profile, page):
    user.language = profile
    user.save()
    subscription = subscribe(user, browser.told, page)
    services.deliver(subscription.pk, end(running(user)).pk)
    assert (browser.messages[0]["title"], browser.messages[0]["lang"]) == ("Klip jest gotowy", "pl")


def test_a_batch_is_told_of_once_when_all_of_it_has_ended(user, browser, subscription, sent, end):
    batch = BatchFactory(user=user, name="a red heart")
    jobs = [running(user, batch=batch, row=n) for n in range(4)]
    end(jobs[0])
    end(jobs[1], Status.FAILED)
    end(jobs[2], Status.CANCELLED)
    assert sent == []
    end(jobs[3])
    assert [args for args, _queue in sent] == [(subscription.pk, str(jobs[3].pk))]
    services.deliver(subscription.pk, jobs[3].pk)
    (message,) = browser.messages
    assert message["title"] == "2 clips are ready, 1 clip failed"
    assert (message["body"], message["url"]) == ("a red heart", f"/batches/{batch.pk}/")
    assert message["tag"] == batch.pk.hex


def test_nobody_is_told_what_they_have_seen_retried_or_removed(user, subscription, service, end):
    for change in ({"seen_at": timezone.now()}, {"removed_at": timezone.now()}, {"status": Status.QUEUED}):
        job = end(running(user))
        type(job).objects.filter(pk=job.pk).update(**change)
        assert not services.deliver(subscription.pk, job.pk)
    assert service.asked == 0


def test_nobody_is_told_of_the_clips_of_others_or_of_what_is_gone(user, other_user, subscription, service, end):
    assert not services.deliver(subscription.pk, end(running(other_user)).pk)
    job = end(running(user))
    assert not services.deliver(subscription.pk + 1, job.pk)
    job.delete()
    assert not services.deliver(subscription.pk, job.pk)
    assert service.asked == 0


def test_a_suspended_user_is_not_told(user, subscription, service, end):
    job = end(running(user))
    type(user).objects.filter(pk=user.pk).update(is_active=False)
    assert not services.deliver(subscription.pk, job.pk)
    assert service.asked == 0


def test_a_busy_service_is_asked_a_few_times_more(user, subscription, service, end):
    job = end(running(user))
    service.answers = [503]
    with pytest.raises(Retry):
        tasks.deliver.apply(args=(subscription.pk, str(job.pk)), throw=True)
    assert tasks.deliver.max_retries == 3


def test_a_clip_ends_whatever_goes_wrong_with_its_message(user, subscription, end, monkeypatch, caplog):
    def breaks(*_args, **_kwargs):
        raise RuntimeError("no")

    monkeypatch.setattr("generation.receivers.endings.announce", breaks)
    assert end(running(user)).status == Status.DONE
    assert "no" in caplog.text


def test_a_broker_that_is_down_loses_the_message_only(user, subscription, end, monkeypatch):
    def is_down(*_args, **_kwargs):
        raise OSError("down")

    monkeypatch.setattr(app, "send_task", is_down)
    assert end(running(user)).status == Status.DONE

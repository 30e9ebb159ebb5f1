"""Quotas hold for every clip that is queued, first or again, also at the same time; and only for what is kept of it."""

import math
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from gallery import lifecycle
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, LedgerEntry, Quota, StageRun
from generation.queue import services
from generation.quotas.allowance import MEGABYTE
from generation.quotas.ledger import estimated_size, forgettable
from generation.quotas.refusals import NoSecondsLeft, NoStorageLeft, NotNow, TooManyJobs
from generation.quotas.selectors import Near, near, standing_of
from generation.requests.request import InvalidRequest, RenderRequest
from tests.factories import JobFactory, LedgerEntryFactory, QuotaFactory, UserFactory, VideoFactory, a_request
from tests.persons import sign_in
from tests.races import all_at_once, somebody_waits_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


def asked(**changes) -> RenderRequest:
    return RenderRequest.from_dict(a_request(**changes))


def test_waiting_and_rendering_clips_are_limited(user, other_user):
    QuotaFactory(waiting=2)
    services.submit(user, asked())
    services.submit(user, asked())
    with pytest.raises(TooManyJobs, match="At most 2 of your clips"):
        services.submit(user, asked())
    assert services.submit(other_user, asked())


def test_seconds_are_limited_and_the_refusal_says_when_enough_are_free(user):
    QuotaFactory(seconds_a_day=5)
    services.submit(user, asked(seconds=3))
    with pytest.raises(NoSecondsLeft, match="needs 3 s of video, and you have 2 s left until") as refused:
        services.submit(user, asked(seconds=3))
    in_a_day = LedgerEntry.objects.get().counted_at + timedelta(days=1)
    assert in_a_day <= refused.value.free_at < in_a_day + timedelta(minutes=1)
    assert list(refused.value.errors) == ["seconds"]
    assert services.submit(user, asked(seconds=2))
    with pytest.raises(NoSecondsLeft, match="You have used all of your 5 s"):
        services.submit(user, asked(seconds=1))


def test_several_clips_are_queued_together_or_not_at_all(user):
    QuotaFactory(seconds_a_day=5)
    with pytest.raises(InvalidRequest, match="needs 6 s of video, and you may make 5 s in 24 hours"):
        services.submit_many(user, [asked(seconds=2)] * 3)
    assert not Job.objects.exists()
    assert not LedgerEntry.objects.exists()
    assert len(services.submit_many(user, [asked(seconds=2)] * 2)) == 2


def test_drafts_count_as_the_seconds_that_they_are(user):
    QuotaFactory(seconds_a_day=3)
    services.submit(user, asked(seconds=2, quality="draft"))
    with pytest.raises(NoSecondsLeft):
        services.submit(user, asked(seconds=2, quality="draft"))


@pytest.mark.parametrize("end", ["cancel", "cancel_waiting", "fail"])
def test_a_clip_that_is_cancelled_or_fails_gives_its_seconds_back(user, end):
    QuotaFactory(seconds_a_day=2)
    job = services.submit(user, asked(seconds=2))
    if end == "cancel":
        assert services.cancel(job)
    elif end == "cancel_waiting":
        assert services.cancel_waiting(user) == 1
    else:
        assert services.fail(job, job.run, "worker-lost", {})
    assert services.submit(user, asked(seconds=2))


def rendered(job, steps: int = 10, total: int = 10, *, most: int = 99, done=RunStatus.DONE) -> None:
    """Let workers have made so many steps of a clip's chunks, or of `most` of them."""
    facts = {"run": job.run, "stage": Stage.GENERATE, "started_at": timezone.now(), "heartbeat_at": timezone.now()}
    for chunk in range(min(most, len(job.plan["chunks"]))):
        status = done if total and steps == total else RunStatus.RUNNING
        StageRun.objects.create(job=job, chunk=chunk, done=steps, total=total, status=status, **facts)


@pytest.mark.parametrize(("steps", "charged"), [(10, 5), (9, 5), (2, 1), (5, 3), (0, 1), (None, 0)])
def test_a_clip_that_is_cancelled_costs_what_was_rendered_of_it(user, steps, charged):
    """Or a card would work all day for somebody who cancels every clip just before its end."""
    QuotaFactory(seconds_a_day=20)
    job = services.submit(user, asked(seconds=5))
    if steps is not None:
        rendered(job, steps)
    assert services.cancel(job)
    assert standing_of(user).seconds_used == charged
    assert [near.used for near in near_of_seconds(charged)] == ([charged] if charged else [])


def near_of_seconds(quota: int) -> list[Near]:
    """Return who has used up a quota of so many seconds."""
    Quota.objects.update(seconds_a_day=quota)
    return [found for found in near() if found.quota == "seconds_a_day"]


def test_of_a_long_clip_each_chunk_counts_for_its_part(user):
    QuotaFactory(seconds_a_day=20)
    job = services.submit(user, asked(seconds=8))
    count = len(job.plan["chunks"])
    assert count > 1
    rendered(job, most=1)
    assert services.cancel(job)
    assert standing_of(user).seconds_used == math.ceil(8 / count)


def test_what_waits_again_after_it_was_rendered_is_not_cancelled_for_nothing(user):
    QuotaFactory(seconds_a_day=20)
    job, other = services.submit(user, asked(seconds=5)), services.submit(user, asked(seconds=3))
    rendered(job)
    assert services.cancel_waiting(user) == 2
    assert standing_of(user).seconds_used == 5
    assert other.pk


def test_rendering_again_what_was_cancelled_late_does_not_make_it_forgotten(user):
    QuotaFactory(seconds_a_day=9)
    job = services.submit(user, asked(seconds=3))
    for _time in range(2):
        rendered(job)
        assert services.cancel(job)
        assert services.retry(job)
        job.refresh_from_db()
    assert standing_of(user).seconds_used == 9
    assert services.fail(job, job.run, "worker-lost", {})
    assert standing_of(user).seconds_used == 6, "the last one failed through no fault of theirs"
    LedgerEntry.objects.update(counted_at=timezone.now() - timedelta(hours=30))
    assert services.retry(job)
    assert standing_of(user).seconds_used == 3, "of yesterday, nothing is left"


def test_what_was_made_before_a_worker_was_lost_is_not_charged(user):
    QuotaFactory(seconds_a_day=9)
    job = services.submit(user, asked(seconds=3))
    rendered(job, done=RunStatus.LOST)
    assert services.cancel(job)
    assert standing_of(user).seconds_used == 0


def test_what_was_made_before_a_clip_failed_is_not_charged_when_its_next_try_is_cancelled(user):
    """A failure is ours; what its next try makes itself counts."""
    QuotaFactory(seconds_a_day=20)
    job = services.submit(user, asked(seconds=8))
    rendered(job, most=1)
    assert services.fail(job, job.run, "worker-lost", {})
    assert services.retry(job)
    assert services.cancel_waiting(user) == 1
    assert standing_of(user).seconds_used == 0
    job.refresh_from_db()
    assert services.retry(job)
    job.refresh_from_db()
    rendered(job, 5)
    assert services.cancel(job)
    assert standing_of(user).seconds_used == 4


def by_staff(job: Job) -> None:
    browser = Client()
    sign_in(browser, UserFactory(is_staff=True, is_superuser=True))
    asked_for = {"action": "cancel_jobs", "_selected_action": [str(job.pk)]}
    assert browser.post(reverse("admin:generation_job_changelist"), asked_for).status_code == 302


def by_suspension(job: Job) -> None:
    User.objects.filter(pk=job.user_id).update(is_active=False, suspended_at=timezone.now())
    assert accounts.settle(job.user_id)


def by_switching_off(job: Job) -> None:
    User.objects.filter(pk=job.user_id).update(is_active=False)
    accounts.switch_off(User.objects.get(pk=job.user_id))


def by_leaving(job: Job) -> None:
    User.objects.filter(pk=job.user_id).update(is_active=False, deactivated_at=timezone.now())
    assert accounts.settle(job.user_id)


@pytest.mark.parametrize(
    ("cancel", "charged"), [(by_staff, 0), (by_suspension, 0), (by_switching_off, 0), (by_leaving, 5)]
)
def test_only_what_its_owner_cancels_is_charged(user, cancel, charged):
    """Whoever deactivates the account does cancel; otherwise that would be the way to cancel for nothing."""
    QuotaFactory(seconds_a_day=20)
    job = services.submit(user, asked(seconds=5))
    rendered(job)
    cancel(job)
    job.refresh_from_db()
    assert job.status == Status.CANCELLED
    assert standing_of(user).seconds_used == charged


def test_what_was_cancelled_comes_free_after_a_day_like_everything(user):
    QuotaFactory(seconds_a_day=3)
    job = services.submit(user, asked(seconds=3))
    rendered(job, 5)
    services.cancel(job)
    with pytest.raises(NoSecondsLeft, match="you have 1 s left until"):
        services.submit(user, asked(seconds=2))


def test_rendering_a_clip_again_counts_it_again_from_now_on(user):
    QuotaFactory(seconds_a_day=2)
    job = services.submit(user, asked(seconds=2))
    LedgerEntry.objects.update(counted_at=timezone.now() - timedelta(hours=30))
    assert services.cancel(job)
    assert services.retry(job)
    assert LedgerEntry.objects.get().counted_at > timezone.now() - timedelta(minutes=1)
    with pytest.raises(NoSecondsLeft):
        services.submit(user, asked(seconds=2))


def test_rendering_again_needs_room_like_a_new_clip(user):
    QuotaFactory(seconds_a_day=2)
    job = services.submit(user, asked(seconds=2))
    services.cancel(job)
    services.submit(user, asked(seconds=2))
    with pytest.raises(NoSecondsLeft):
        services.retry(job)
    job.refresh_from_db()
    assert job.status == Status.CANCELLED


def test_a_clip_of_the_time_before_the_ledger_is_counted_when_it_is_rendered_again(user):
    job = JobFactory(user=user, status=Status.FAILED, request=a_request(seconds=3))
    assert services.retry(job)
    assert LedgerEntry.objects.get(job=job).seconds == 3


def test_deleting_a_finished_clip_does_not_give_its_seconds_back(user):
    QuotaFactory(seconds_a_day=2)
    job = services.submit(user, asked(seconds=2))
    Job.objects.filter(pk=job.pk).update(status=Status.DONE)
    job.refresh_from_db()
    lifecycle.purge(VideoFactory(user=user, job=job))
    assert not Job.objects.filter(pk=job.pk).exists()
    with pytest.raises(NoSecondsLeft):
        services.submit(user, asked(seconds=2))


def test_size_and_length_are_limited_whoever_made_the_request(user):
    QuotaFactory(max_side=256, max_seconds=2)
    with pytest.raises(InvalidRequest, match="up to 2 s long") as refused:
        services.submit(user, asked(seconds=3))
    assert not isinstance(refused.value, NotNow), "waiting does not help"
    with pytest.raises(InvalidRequest, match="up to 256 pixels on the longer side"):
        services.submit(user, asked(width=512, height=256))
    assert services.submit(user, asked(width=256, height=128, seconds=2))


def test_a_quota_that_was_lowered_holds_for_rendering_again_but_stops_no_clip(user):
    job = services.submit(user, asked(seconds=3))
    QuotaFactory(max_seconds=2)
    assert services.start(job, job.run)
    services.cancel(job)
    with pytest.raises(InvalidRequest, match="up to 2 s long"):
        services.retry(job)


def test_storage_is_limited_by_what_is_kept_and_by_what_is_being_made(user):
    request = asked(seconds=2)
    QuotaFactory(storage_mb=10)
    VideoFactory(user=user, size=10 * MEGABYTE - 2 * estimated_size(request))
    services.submit(user, request)
    services.submit(user, request)
    with pytest.raises(NoStorageLeft, match=r"Delete clips .* empty the trash") as refused:
        services.submit(user, request)
    assert list(refused.value.errors) == ["prompt"]


def test_a_clip_larger_than_estimated_is_kept_and_stops_the_next_one(user):
    QuotaFactory(storage_mb=10)
    video = VideoFactory(user=user, size=11 * MEGABYTE)
    with pytest.raises(NoStorageLeft):
        services.submit(user, asked())
    video.refresh_from_db()
    assert video.deleted_at is None


@pytest.mark.parametrize("none", [{"waiting": 0}, {"seconds_a_day": 0}, {"storage_mb": 0}])
def test_zero_allows_nothing_and_says_whom_to_ask(user, none):
    QuotaFactory(user=user, **none)
    with pytest.raises(InvalidRequest, match="Your account may not make clips") as refused:
        services.submit(user, asked())
    assert not isinstance(refused.value, NotNow), "a batch would wait for it forever"


def test_an_operator_may_queue_beyond_a_quota_but_not_beyond_the_limits_of_the_site(user, settings):
    QuotaFactory(seconds_a_day=0, max_seconds=1)
    settings.MAX_ACTIVE_JOBS = 1
    services.submit(user, asked(seconds=2), within_quotas=False)
    assert LedgerEntry.objects.get().seconds == 2, "it counts all the same"
    with pytest.raises(TooManyJobs):
        services.submit(user, asked(seconds=2), within_quotas=False)


def test_without_quotas_clips_are_counted_so_that_a_new_quota_holds_at_once(user):
    services.submit(user, asked(seconds=2))
    QuotaFactory(seconds_a_day=3)
    with pytest.raises(NoSecondsLeft):
        services.submit(user, asked(seconds=2))


def test_what_no_longer_counts_is_forgotten_and_nothing_else(user):
    old = timezone.now() - timedelta(hours=25)
    gone = LedgerEntryFactory(user=user, counted_at=old)
    failed = LedgerEntryFactory(user=user, counted_at=old, job=JobFactory(user=user, status=Status.FAILED))
    LedgerEntryFactory(user=user, counted_at=old, job=JobFactory(user=user))
    LedgerEntryFactory(user=user)
    assert set(forgettable()) == {gone, failed}
    assert forgettable().delete()[0] == 2


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.parametrize("quota", [{"seconds_a_day": 6}, {"waiting": 3}, {"storage_mb": 1}])
def test_requests_at_the_same_time_do_not_get_past_a_quota(user, quota):
    QuotaFactory(**quota)
    request = asked(seconds=2, width=256, height=256, fps=24)
    if "storage_mb" in quota:
        VideoFactory(user=user, size=MEGABYTE - 3 * estimated_size(request))
    refused = []

    def submit() -> None:
        try:
            services.submit(user, request)
        except NotNow:
            refused.append(1)

    all_at_once(submit, 8)
    assert Job.objects.filter(user=user).count() == 3
    assert len(refused) == 5


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
@pytest.mark.parametrize("cancels", ["one", "all"])
def test_cancelling_several_times_at_once_charges_once(user, cancels):
    QuotaFactory(seconds_a_day=20)
    job = services.submit(user, asked(seconds=5))
    rendered(job)
    calls = {"one": lambda: services.cancel(Job.objects.get(pk=job.pk)), "all": lambda: services.cancel_waiting(user)}
    assert sum(all_at_once(calls[cancels], 8)) == 1
    assert standing_of(user).seconds_used == 5


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite has one writer at a time")
def test_a_clip_that_is_queued_while_all_others_are_being_cancelled_is_left_alone(user):
    """It would be cancelled without being charged for, and without a word to the open pages."""
    first = services.submit(user, asked())

    def cancel_all() -> int:
        try:
            return services.cancel_waiting(user)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            services.lock(first)
            cancelled = threads.submit(cancel_all)
            while not cancelled.done() and not somebody_waits_for_a_lock():
                time.sleep(0.01)
            second = services.submit(user, asked())
        assert cancelled.result(30) == 1
    assert [job.status for job in Job.objects.filter(pk__in=[first.pk, second.pk]).order_by("created_at")] == [
        Status.CANCELLED,
        Status.QUEUED,
    ]

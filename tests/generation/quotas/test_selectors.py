"""What holds for a user: their own quota, those of their groups, everybody's; and what they use."""

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from gallery import lifecycle
from gallery.models import Video
from generation.domain.states import Status
from generation.models import LedgerEntry, Quota
from generation.quotas.allowance import MEGABYTE, UNLIMITED
from generation.quotas.selectors import allowance_of, near, standing_of
from generation.requests import available
from tests.factories import JobFactory, LedgerEntryFactory, QuotaFactory, UserFactory, VideoFactory

pytestmark = pytest.mark.django_db


def member_of(user, *names: str) -> list[Group]:
    groups = [Group.objects.create(name=name) for name in names]
    user.groups.add(*groups)
    return groups


def test_without_quotas_only_the_site_limits_a_user(user, settings):
    assert allowance_of(user) == UNLIMITED
    assert not allowance_of(user).is_limited
    assert allowance_of(user).most_waiting == settings.MAX_ACTIVE_JOBS
    assert allowance_of(user).limits == available.limits()


def test_of_each_field_the_users_own_value_counts_before_the_groups_and_that_before_everybodys(user):
    first, second = member_of(user, "first", "second")
    QuotaFactory(waiting=1, seconds_a_day=10, max_side=256, max_seconds=2)
    QuotaFactory(group=first, waiting=5, seconds_a_day=20)
    QuotaFactory(group=second, waiting=9)
    QuotaFactory(user=user, waiting=3)
    found = allowance_of(user)
    assert (found.waiting, found.seconds_a_day, found.max_side, found.max_seconds, found.storage) == (
        3,
        20,
        256,
        2,
        None,
    )


def test_the_most_generous_group_wins_also_over_a_lower_value_for_everybody(user):
    QuotaFactory(seconds_a_day=600)
    first, second = member_of(user, "first", "second")
    QuotaFactory(group=first, seconds_a_day=0)
    QuotaFactory(group=second, seconds_a_day=60)
    assert allowance_of(user).seconds_a_day == 60


def test_quotas_of_others_do_not_hold(user, other_user):
    QuotaFactory(user=other_user, waiting=1)
    (group,) = member_of(other_user, "theirs")
    QuotaFactory(group=group, waiting=2)
    assert allowance_of(user) == UNLIMITED


def test_whoever_is_unlimited_or_in_an_unlimited_group_has_no_quota(user, other_user):
    QuotaFactory(waiting=1, storage_mb=5)
    (group,) = member_of(user, "patrons")
    QuotaFactory(group=group, is_unlimited=True)
    QuotaFactory(user=other_user, is_unlimited=True)
    assert allowance_of(user) == allowance_of(other_user) == UNLIMITED
    QuotaFactory(user=user, storage_mb=7)
    assert allowance_of(user).waiting is None
    assert allowance_of(user).storage == 7 * MEGABYTE


def test_superusers_have_only_a_quota_of_their_own_and_staff_those_of_everybody():
    admin, staff = UserFactory(is_superuser=True, is_staff=True), UserFactory(is_staff=True)
    QuotaFactory(waiting=1)
    assert allowance_of(admin) == UNLIMITED
    assert allowance_of(staff).waiting == 1
    QuotaFactory(user=admin, waiting=2)
    assert allowance_of(admin).waiting == 2


def test_a_quota_above_the_limits_of_the_site_does_not_raise_them(user, settings):
    QuotaFactory(waiting=10**6, max_side=10**4, max_seconds=10**3)
    found = allowance_of(user)
    assert found.most_waiting == settings.MAX_ACTIVE_JOBS
    assert found.limits == available.limits()


def test_there_is_one_quota_for_everybody_and_none_of_both_a_user_and_a_group(user):
    QuotaFactory(waiting=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        QuotaFactory(waiting=2)
    with pytest.raises(ValidationError, match="already a quota for everybody"):
        Quota(waiting=2).full_clean()
    (group,) = member_of(user, "group")
    with pytest.raises(ValidationError, match="not both"):
        Quota(user=user, group=group, waiting=2).full_clean()
    with pytest.raises(ValidationError, match="Clear the limits"):
        Quota(user=user, is_unlimited=True, waiting=2).full_clean()


def a_day_after(entry: LedgerEntry) -> datetime:
    """Return when an entry no longer counts, as pages write it: not before it is true."""
    moment = entry.counted_at + timedelta(days=1)
    return moment.replace(second=0, microsecond=0) + timedelta(minutes=1)


def test_seconds_come_free_24_hours_after_their_clip_was_asked_for(user):
    QuotaFactory(seconds_a_day=10)
    now = timezone.now()
    LedgerEntryFactory(user=user, seconds=9, counted_at=now - timedelta(hours=25))
    first = LedgerEntryFactory(user=user, seconds=3, counted_at=now - timedelta(hours=20))
    second = LedgerEntryFactory(user=user, seconds=5, counted_at=now - timedelta(hours=1))
    found = standing_of(user)
    assert (found.seconds_used, found.seconds_left) == (8, 2)
    assert found.free_at(2) is None
    assert found.free_at(3) == found.free_at(5) == a_day_after(first)
    assert found.free_at(6) == found.free_at(10) == a_day_after(second)
    assert found.next_free == (3, a_day_after(first))


@pytest.mark.parametrize(
    ("status", "counts"),
    [(Status.QUEUED, 4), (Status.RUNNING, 4), (Status.DONE, 4), (Status.FAILED, 0), (Status.CANCELLED, 0)],
)
def test_failed_and_cancelled_clips_do_not_count(user, status, counts):
    QuotaFactory(seconds_a_day=10)
    LedgerEntryFactory(user=user, seconds=4, job=JobFactory(user=user, status=status))
    assert standing_of(user).seconds_used == counts


def test_a_lowered_quota_says_when_enough_is_free(user):
    QuotaFactory(seconds_a_day=4)
    now = timezone.now()
    entries = [LedgerEntryFactory(user=user, seconds=3, counted_at=now - timedelta(hours=n)) for n in (3, 2, 1)]
    found = standing_of(user)
    assert found.seconds_left == 0
    assert found.free_at(1) == a_day_after(entries[1])


def test_a_deleted_clip_still_counts_even_if_a_worker_of_the_version_before_deleted_its_job(user):
    QuotaFactory(seconds_a_day=10)
    video = VideoFactory(user=user, job=JobFactory(user=user, status=Status.DONE))
    LedgerEntryFactory(user=user, seconds=4, job=video.job)
    lost = LedgerEntryFactory(user=user, seconds=3, job=JobFactory(user=user, status=Status.DONE))
    lifecycle.purge(video)
    assert standing_of(user).seconds_used == 7
    # The database does not enforce the link, so it may name a job that is gone.
    LedgerEntry.objects.filter(pk=lost.pk).update(job_id="00000000-0000-0000-0000-000000000000")
    assert standing_of(user).seconds_used == 7
    LedgerEntry.objects.filter(pk=lost.pk).update(job_id=None)


def test_kept_clips_and_the_trash_take_up_storage_and_clips_being_made_are_estimated(user, other_user, settings):
    QuotaFactory(storage_mb=10)
    VideoFactory(user=other_user, size=9 * MEGABYTE)
    VideoFactory(user=user, size=2 * MEGABYTE)
    trashed = VideoFactory(user=user, size=3 * MEGABYTE)
    lifecycle.trash(Video.objects.filter(pk=trashed.pk))
    active = JobFactory(user=user, status=Status.RUNNING)
    old = timezone.now() - timedelta(days=3)  # it waited for that long
    LedgerEntryFactory(user=user, size=MEGABYTE, counted_at=old, job=active)
    LedgerEntryFactory(user=user, size=MEGABYTE, job=JobFactory(user=user, status=Status.DONE))
    found = standing_of(user)
    assert (found.kept, found.coming, found.storage_left) == (5 * MEGABYTE, MEGABYTE, 4 * MEGABYTE)
    lifecycle.give_up(Video.objects.filter(pk=trashed.pk))
    assert standing_of(user).kept == 2 * MEGABYTE
    settings.UNDO_MINUTES = 0
    assert standing_of(user).kept == 2 * MEGABYTE


def test_a_standing_costs_as_many_queries_for_much_as_for_little(user, django_assert_max_num_queries):
    groups = member_of(user, *(f"group {n}" for n in range(5)))
    for group in groups:
        QuotaFactory(group=group, seconds_a_day=600, storage_mb=100)
    for _ in range(20):
        LedgerEntryFactory(user=user, job=JobFactory(user=user))
        VideoFactory(user=user)
    with django_assert_max_num_queries(4):
        standing_of(user)


def test_without_a_quota_one_query_finds_that_out(user, django_assert_num_queries):
    with django_assert_num_queries(1):
        allowance_of(user)


def test_who_is_near_a_quota_is_listed_fullest_first_in_a_constant_number_of_queries(django_assert_max_num_queries):
    QuotaFactory(seconds_a_day=10, storage_mb=1)
    calm, near_it, beyond, exempt = UserFactory.create_batch(4)
    QuotaFactory(user=exempt, is_unlimited=True)
    for user, seconds in ((calm, 7), (near_it, 8), (beyond, 12), (exempt, 99)):
        LedgerEntryFactory(user=user, seconds=seconds)
    VideoFactory(user=calm, size=MEGABYTE)
    LedgerEntryFactory.create_batch(9, user=UserFactory(is_superuser=True))
    with django_assert_max_num_queries(8):
        found = near()
    assert [(one.user, one.quota, one.percent) for one in found] == [
        (beyond, "seconds_a_day", 120),
        (calm, "storage", 100),
        (near_it, "seconds_a_day", 80),
    ]

"""Keyset pagination: marks in URLs are exact, and mangled ones are harmless."""

from datetime import timedelta

import pytest
from django.utils import timezone

from auravideo.core.keyset import page_of
from generation.models import Job
from tests.factories import JobFactory

pytestmark = pytest.mark.django_db


def page(query: str = "", size: int = 2):
    name, _, value = query.partition("=")
    return page_of(Job.objects.all(), {name: value}, size)


def test_jobs_of_the_same_moment_are_neither_repeated_nor_lost(user):
    made = {JobFactory(user=user).pk for _ in range(5)}
    Job.objects.update(created_at=timezone.now())
    first = page()
    second = page(first.older)
    third = page(second.older)
    seen = [job.pk for found in (first, second, third) for job in found.rows]
    assert len(seen) == 5
    assert set(seen) == made
    assert [row.pk for row in page(third.newer).rows] == [row.pk for row in second.rows]


def test_going_newer_ends_at_a_full_first_page(user):
    now = timezone.now()
    for n in range(4):
        job = JobFactory(user=user)
        Job.objects.filter(pk=job.pk).update(created_at=now + timedelta(seconds=n))
    second = page(page().older)
    JobFactory(user=user)
    assert len(page(second.newer).rows) == 2
    first = page(page(second.newer).newer)
    assert len(first.rows) == 2
    assert not first.newer


def test_a_page_that_was_emptied_meanwhile_is_the_first_one(user):
    for _ in range(3):
        JobFactory(user=user)
    older = page().older
    Job.objects.filter(pk__in=[job.pk for job in page(older).rows]).delete()
    assert len(page(older).rows) == 2
    assert page(older).is_only


@pytest.mark.parametrize(
    "mark",
    ["", "x", "-", "1", "1-x", "x-" + "0" * 32, "9" * 400 + "-" + "0" * 32, "9" * 18 + "-" + "0" * 32, "²-" + "0" * 32],
)
@pytest.mark.parametrize("name", ["before", "after"])
def test_a_mark_that_cannot_be_read_means_the_first_page(user, name, mark):
    JobFactory(user=user)
    assert len(page(f"{name}={mark}").rows) == 1


@pytest.mark.parametrize("order", ["-priority", "priority", "created_at"])
def test_any_order_by_numbers_or_times_is_paged_both_ways_without_repeating_a_row(user, order):
    made = [JobFactory(user=user, priority=n % 3) for n in range(9)]
    seen, query = [], {}
    while True:
        found = page_of(Job.objects.all(), query, 2, order)
        seen += [job.pk for job in found.rows]
        if not found.older:
            break
        query = dict([found.older.split("=")])
    assert seen == list(Job.objects.order_by(order, f"{'-' * order.startswith('-')}pk").values_list("pk", flat=True))
    assert len(seen) == len(made)
    back = page_of(Job.objects.all(), dict([found.newer.split("=")]), 2, order)
    assert [job.pk for job in back.rows] == seen[6:8]

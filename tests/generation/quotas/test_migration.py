"""Clips that were queued before there was a ledger are counted, if they would have been."""

from datetime import timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.utils import timezone

from generation.domain.states import Status
from generation.models import LedgerEntry
from tests.factories import JobFactory, LedgerEntryFactory, a_request

pytestmark = pytest.mark.django_db


def test_the_clips_of_the_last_day_are_counted_and_none_twice(user):
    fill = import_module("generation.migrations.0018_fill_ledger").fill
    now = timezone.now()
    hour_ago, days_ago = now - timedelta(hours=1), now - timedelta(days=2)
    done = JobFactory(user=user, status=Status.DONE, request=a_request(seconds=4), queued_at=hour_ago)
    odd = JobFactory(user=user, request={"prompt": "of another time"}, queued_at=hour_ago)
    JobFactory(user=user, status=Status.FAILED, queued_at=hour_ago)
    JobFactory(user=user, status=Status.DONE, queued_at=days_ago)
    counted = JobFactory(user=user, queued_at=hour_ago)
    LedgerEntryFactory(user=user, job=counted, seconds=7)
    fill(apps, None)
    found = LedgerEntry.objects.order_by("seconds").values_list("job", "seconds", "user")
    assert list(found) == [(odd.pk, 0, user.pk), (done.pk, 4, user.pk), (counted.pk, 7, user.pk)]
    assert LedgerEntry.objects.get(job=done).counted_at == hour_ago

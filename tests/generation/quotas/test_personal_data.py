"""What is counted of a user is theirs: in their export, erased with the account, forgotten after a day."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import personal_data
from gallery.pruning import run
from generation.models import LedgerEntry, Quota
from tests.factories import JobFactory, LedgerEntryFactory, QuotaFactory

pytestmark = pytest.mark.django_db


def test_the_export_has_what_is_counted_and_what_is_allowed(signed_in, user, other_user):
    QuotaFactory(user=user, seconds_a_day=60)
    job = JobFactory(user=user)
    LedgerEntryFactory(user=user, seconds=3)
    LedgerEntryFactory(user=user, seconds=4, job=job)
    LedgerEntryFactory(user=other_user, seconds=5)
    (found,) = [entry for entry in personal_data.export(user) if entry.name == "quota.json"]
    found = json.loads(b"".join(found.read()))
    assert found["allowance"]["seconds_a_day"] == 60
    assert [(row["seconds"], row["job"]) for row in found["counted"]] == [(3, None), (4, str(job.pk))]


def test_erasing_an_account_erases_its_quota_and_what_was_counted(user, other_user):
    for person in (user, other_user):
        QuotaFactory(user=person, waiting=1)
        LedgerEntryFactory(user=person)
    for _item in personal_data.erase(user):
        pass
    assert Quota.objects.get().user == LedgerEntry.objects.get().user == other_user


def test_the_hourly_pruning_forgets_what_no_longer_counts(user):
    LedgerEntryFactory(user=user, counted_at=timezone.now() - timedelta(hours=25))
    kept = LedgerEntryFactory(user=user)
    run.prune()
    assert LedgerEntry.objects.get() == kept

"""The page of one's allowance: what is used in words and meters, what to do, and what the machine can do at most."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from auravideo.core import storage
from generation.models import Worker
from generation.quotas.allowance import MEGABYTE
from tests.factories import JobFactory, LedgerEntryFactory, QuotaFactory, VideoFactory, WorkerFactory

pytestmark = pytest.mark.django_db

PAGE, PROFILE = reverse("generation:allowance"), reverse("accounts:profile")


def text_of(response) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_without_a_quota_the_settings_do_not_mention_it(signed_in):
    assert PAGE not in signed_in.get(PROFILE).content.decode()
    text = text_of(signed_in.get(PAGE))
    assert "Your account has no quota." in text
    assert "<meter" not in signed_in.get(PAGE).content.decode()


def test_the_settings_lead_to_it_where_a_quota_holds(signed_in, user):
    QuotaFactory(user=user, waiting=5)
    assert PAGE in signed_in.get(PROFILE).content.decode()


def test_each_meter_has_its_text_and_says_what_to_do_when_it_is_nearly_full(signed_in, user):
    QuotaFactory(seconds_a_day=60, waiting=2, storage_mb=100)
    entry = LedgerEntryFactory(user=user, seconds=14, counted_at=timezone.now() - timedelta(hours=2))
    JobFactory.create_batch(2, user=user)
    VideoFactory(user=user, size=90 * MEGABYTE)
    page = signed_in.get(PAGE)
    text, html = text_of(page), page.content.decode()
    assert "14 s of 60 s used, 46 s left" in text
    assert "14 s come free on" in text
    free = (entry.counted_at + timedelta(days=1)).replace(second=0, microsecond=0) + timedelta(minutes=1)
    assert free.isoformat() in html
    assert "2 of 2 clips" in text
    assert "Wait for some to finish, or cancel some." in text
    assert "90.0 MB of 100.0 MB used" in text
    assert "then empty the trash" in text
    for name in ("seconds", "waiting", "storage"):
        assert f'aria-labelledby="meter-{name}" aria-describedby="meter-{name}-text"' in html
    assert 'max="60" high="48" optimum="0" value="14"' in html


def test_the_limits_of_the_site_and_its_machines_are_beside_those_of_the_account(signed_in, settings):
    settings.MAX_SIDE, settings.MAX_SECONDS, settings.MAX_ACTIVE_JOBS = 2048, 10, 500
    QuotaFactory(max_side=512, max_seconds=4, waiting=5, seconds_a_day=60, storage_mb=100)
    WorkerFactory(device="NVIDIA RTX", memory_total=12 * 2**30)
    WorkerFactory(device="NVIDIA RTX", memory_total=12 * 2**30)
    WorkerFactory(device="other", queues=["upscale"])
    text = text_of(signed_in.get(PAGE))
    for row in ("Longest side 512 pixels 2048 pixels", "Longest clip 4 s 10 s", "wait or render 5 500"):
        assert row in text
    assert "in 24 hours 60 s no limit" in text
    assert re.search(r"Storage 100\.0 MB [\d.]+ .B free on the disk", text)
    assert "Clips are made on: NVIDIA RTX (12.0 GB of memory)" in text


def test_without_workers_the_page_says_so(signed_in):
    assert not Worker.objects.exists()
    assert "No worker that makes clips is running right now." in text_of(signed_in.get(PAGE))


def test_it_costs_a_constant_number_of_queries(signed_in, user, django_assert_max_num_queries):
    QuotaFactory(seconds_a_day=60, waiting=2, storage_mb=100)
    signed_in.get(PAGE)
    with django_assert_max_num_queries(30) as before:
        signed_in.get(PAGE)
    for _ in range(5):
        LedgerEntryFactory(user=user)
        WorkerFactory()
        VideoFactory(user=user)
    with django_assert_max_num_queries(len(before)):
        signed_in.get(PAGE)


def test_the_room_on_the_disk_is_what_new_clips_may_take(settings):
    settings.MIN_FREE_MB = 0
    whole = storage.free_bytes()
    settings.MIN_FREE_MB = 10**12
    assert whole is not None and whole > 0
    assert storage.free_bytes() == 0


def test_an_object_store_has_no_disk_to_measure(on_s3):
    assert storage.free_bytes() is None

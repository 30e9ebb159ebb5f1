"""The overview shows the state of the work, and doesn't hang if a service doesn't answer."""

import time
from datetime import timedelta

import pytest
import redis
from django.urls import reverse
from django.utils import timezone

from gallery.moderation.overview import PLOT_HEIGHT, bars, columns, stored
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job
from generation.queue import broker
from generation.queue.monitoring import health
from tests.factories import JobFactory, ReportFactory, UserFactory, VideoFactory, a_moderator

pytestmark = pytest.mark.django_db

ADDRESS = reverse("admin-overview")


def a_run(job: Job, stage: Stage, seconds: float) -> None:
    now = timezone.now()
    times = {"started_at": now - timedelta(seconds=seconds), "heartbeat_at": now, "ended_at": now}
    job.stage_runs.create(run=1, stage=stage, status=RunStatus.DONE, worker="w", **times)


def test_jobs_are_counted_by_every_state():
    JobFactory.create_batch(2, status=Status.FAILED)
    found = {str(label): count for label, count in health.jobs_by_state()}
    assert found == {"queued": 0, "rendering": 0, "done": 0, "failed": 2, "cancelled": 0}


def test_messages_of_every_priority_count_for_their_queue():
    for key in ("generate", "generate:3", "generate:9", "cpu"):
        broker.connection().rpush(key, "{}")
    assert broker.depths() == {"cpu": 1, "generate": 3, "interpolate": 0, "upscale": 0}


def test_a_stage_is_timed_by_its_last_runs():
    for seconds in (1, 2, 9):
        a_run(JobFactory(), Stage.GENERATE, seconds)
    (found,) = health.stages()
    assert (str(found.label), found.runs) == ("Generating", 3)
    assert (round(found.median, 1), round(found.mean, 1)) == (2.0, 4.0)


def test_every_day_of_the_last_ones_is_there():
    today = timezone.now()
    JobFactory(status=Status.DONE, ended_at=today)
    JobFactory(status=Status.FAILED, ended_at=today)
    JobFactory(status=Status.DONE, ended_at=today - timedelta(days=3))
    JobFactory(status=Status.DONE, ended_at=today - timedelta(days=40))
    found = health.days()
    assert len(found) == health.DAYS
    assert [(day.done, day.failed) for day in found if day.done or day.failed] == [(1, 0), (1, 1)]
    assert (found[-1].done, found[-1].failed) == (1, 1)


def test_bars_and_columns_fill_their_drawing_and_no_more():
    assert [bar["length"] for bar in bars([("a", 0), ("b", 3), ("c", 300)])] == [0, 1, 100]
    assert [bar["length"] for bar in bars([("a", 0)])] == [0]
    found = columns([health.Day(timezone.localdate(), done, failed) for done, failed in ((0, 0), (3, 1), (1, 0))])
    assert all(column["top"] + column["done"] + column["failed"] <= PLOT_HEIGHT + 2 for column in found)
    assert found[0]["done"] == 0


def test_storage_counts_every_video_and_names_what_is_in_the_trash():
    VideoFactory(size=1000)
    VideoFactory(size=500, deleted_at=timezone.now())
    found = stored()
    assert (found.videos, found.bytes, found.in_trash) == (2, 1500, 500)
    assert found.all > found.free > 0
    assert 0 < found.used_percent < 100


def test_remote_storage_shows_no_disk(settings):
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
    assert (stored().all, stored().used_percent) == (None, 0)


def test_a_moderator_sees_all_of_it(client):
    report = ReportFactory(video=VideoFactory(title="A heart to look at", size=3 * 2**20))
    a_run(JobFactory(status=Status.DONE, ended_at=timezone.now()), Stage.UPSCALE, 12.3)
    client.force_login(a_moderator())
    page = client.get(ADDRESS).content.decode()
    for text in ("A heart to look at", report.get_reason_display(), "12.3 s", "Upscaling", "interpolate", "3.0"):
        assert text in page


def test_the_colours_of_the_plot_are_explained(client):
    client.force_login(a_moderator())
    legend = client.get(ADDRESS).content.decode().partition('class="overview__legend"')[2].partition("</p>")[0]
    failed, finished = legend.split("</span>")[:2]
    assert ("overview__failed" in failed, "Failed" in failed) == (True, True)
    assert ("overview__failed" in finished, "Finished" in finished) == (False, True)


def test_an_unavailable_broker_is_reported_and_holds_nothing_up(client, monkeypatch):
    def away():
        raise redis.ConnectionError("gone")

    monkeypatch.setattr(broker, "depths", away)
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    before = time.monotonic()
    assert "Redis is not responding" in client.get(ADDRESS).content.decode()
    assert time.monotonic() - before < 5


def test_the_page_does_not_wait_for_silent_workers(client):
    client.force_login(a_moderator())
    before = time.monotonic()
    page = client.get(ADDRESS).content.decode()
    assert page.count("overview__none") == len(health.QUEUES)
    assert time.monotonic() - before < 10

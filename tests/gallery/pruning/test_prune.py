"""Pruning finds what nobody needs, says why, deletes nothing else, and continues where its time was up."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command
from django.utils import timezone

from auravideo.celery import app
from gallery.models import Video
from gallery.pruning import run
from gallery.pruning import storages as sweeps
from generation.domain.states import Stage, Status
from generation.models import Job
from tests.factories import JobFactory, VideoFactory
from workers import frame_store

pytestmark = pytest.mark.django_db

CHUNK = np.zeros((1, 8, 8, 3), np.uint8)


@pytest.fixture(autouse=True)
def _no_messages(monkeypatch):
    monkeypatch.setattr(app, "send_task", lambda *_about, **_options: None)


@pytest.fixture(autouse=True)
def _old_enough(monkeypatch):
    monkeypatch.setattr(sweeps, "YOUNG", timedelta(0))


def prune(*options: str) -> str:
    out = StringIO()
    call_command("prune", *options, stdout=out)
    return out.getvalue()


def store(key: str, content: bytes = b"x" * 1000) -> str:
    return storages["default"].save(key, ContentFile(content))


def a_video(user, **values) -> Video:
    job = JobFactory(user=user, status=Status.DONE)
    names = ("video.mp4", "poster.webp", "preview.webp", "thumbnail.webp")
    keys = [store(f"videos/{job.pk}/{name}") for name in names]
    fields = ("video_file", "poster_file", "preview_file", "thumbnail_file")
    return VideoFactory(user=user, job=job, **dict(zip(fields, keys, strict=True)), **values)


def stored() -> set[str]:
    root = Path(storages["default"].location)
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_healthy_site_has_nothing_to_prune(user):
    a_video(user)
    frame_store.write_chunk(JobFactory(user=user, status=Status.RUNNING).pk, Stage.GENERATE, 0, CHUNK, 8)
    Session.objects.create(session_key="a", session_data="", expire_date=timezone.now() + timedelta(days=1))
    assert prune() == "There is nothing to prune.\n"


def test_everything_left_behind_is_listed_with_its_reason_and_only_deleted_on_request(user):
    video, done = a_video(user), JobFactory(user=user, status=Status.DONE)
    frame_store.write_chunk(done.pk, Stage.GENERATE, 0, CHUNK, 8)
    frame_store.write_chunk("00000000-0000-0000-0000-000000000000", Stage.GENERATE, 0, CHUNK, 8)
    healthy = stored()
    stray, empty = store(f"videos/{done.pk}/video.mp4"), store(f"videos/{video.job_id}/second.mp4", b"")
    Session.objects.create(session_key="a", session_data="", expire_date=timezone.now() - timedelta(days=1))
    listed = prune("--list")
    for reason in ("no such job", "the job is done", "no video has it", "it is empty, and no video has it", "expired"):
        assert reason in listed
    assert f"{stray}: no video has it" in listed
    assert "Nothing was deleted" in listed
    assert {stray, empty} <= stored()
    assert "Deleted: 5." in prune("--delete")
    assert stored() == healthy
    assert list(frame_store.iter_jobs()) == []
    assert not Session.objects.exists()
    assert Video.objects.get() == video
    assert prune() == "There is nothing to prune.\n"


def test_what_a_stage_may_just_have_stored_is_left_alone(user, monkeypatch):
    running = JobFactory(user=user, status=Status.RUNNING)
    store(f"videos/{running.pk}/video.mp4")
    assert "nothing to prune" in prune()
    monkeypatch.setattr(sweeps, "YOUNG", timedelta(days=1))
    store(f"videos/{JobFactory(user=user, status=Status.DONE).pk}/video.mp4")
    assert "nothing to prune" in prune()


def test_a_video_whose_job_is_gone_keeps_its_files(user):
    video = a_video(user)
    Job.objects.all().delete()
    assert "nothing to prune" in prune()
    assert Video.objects.get() == video


@pytest.mark.parametrize("content", [None, b""])
def test_a_video_without_its_file_is_reported_and_only_deleted_by_name(user, content):
    intact, broken = a_video(user), a_video(user)
    storages["default"].delete(broken.video_file.name)
    if content is not None:
        store(broken.video_file.name, content)
    assert "missing" in prune() or "empty" in prune()
    assert "Restore them from a backup" in prune("--delete")
    assert run.prune() == 0
    assert Video.objects.kept().count() == 2
    prune("--only", "broken", "--delete")
    assert list(Video.objects.kept()) == [intact]


def test_if_no_video_has_its_file_the_storage_is_doubted_and_not_the_videos(user):
    for video in (a_video(user), a_video(user)):
        storages["default"].delete(video.video_file.name)
    with pytest.raises(CommandError, match="right storage"):
        prune("--only", "broken", "--delete")
    assert Video.objects.kept().count() == 2


def test_the_scheduled_run_stops_in_time_and_continues_where_it_stopped(user):
    strays = [store(f"videos/{number:08d}-0000-0000-0000-000000000000/video.mp4") for number in range(5)]
    ticks = iter(range(10**6))
    runs = [run.prune(seconds=2, clock=lambda: next(ticks)) for _ in range(6)]
    assert sum(runs) == 5
    assert max(runs) < 5
    assert not stored() & set(strays)


def test_what_cannot_be_deleted_does_not_stop_the_others(user, monkeypatch):
    for number in range(3):
        store(f"videos/{number:08d}-0000-0000-0000-000000000000/video.mp4")
    delete = sweeps.delete_file

    def refuse(storage, name):
        if name.startswith("videos/00000001"):
            raise PermissionError(name)
        delete(storage, name)

    monkeypatch.setattr(sweeps, "delete_file", refuse)
    with pytest.raises(CommandError, match="1 could not be deleted"):
        prune("--delete")
    assert len(stored()) == 1


def test_it_is_scheduled():
    app.loader.import_default_modules()
    assert "gallery.tasks.prune" in {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert "gallery.tasks.prune" in app.tasks

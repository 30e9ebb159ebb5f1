"""A deletion can be undone for a while; then rows and files are gone, whatever goes wrong in between."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.utils import timezone

from accounts import services as accounts
from auravideo.celery import app
from gallery import lifecycle, tasks
from gallery.models import GIVEN_UP, Video
from generation.domain.states import Status
from generation.models import Batch, Job, StageRun
from tests.factories import BatchFactory, CollectionFactory, JobFactory, VideoFactory

pytestmark = pytest.mark.django_db

KINDS = {"video_file": "video.mp4", "poster_file": "p.webp", "preview_file": "h.webp", "thumbnail_file": "t.webp"}


@pytest.fixture(autouse=True)
def sent(monkeypatch, settings):
    """Capture messages instead of queueing them; ten minutes are left to restore a clip."""
    settings.UNDO_MINUTES = 10
    messages = []
    monkeypatch.setattr(app, "send_task", lambda name, **options: messages.append((name, options["queue"])))
    return messages


def a_video(user, **values) -> Video:
    """Create a clip with a job, a stage run, and every file."""
    job = JobFactory(user=user, status=Status.DONE)
    now = timezone.now()
    job.stage_runs.create(run=1, stage="assemble", worker="w", started_at=now, heartbeat_at=now)
    names = {
        kind: storages["default"].save(f"videos/{job.pk}/{name}", ContentFile(b"x" * 1000))
        for kind, name in KINDS.items()
    }
    return VideoFactory(user=user, job=job, **names, **values)


def age(minutes: float):
    return timezone.now() - timedelta(minutes=minutes)


def files() -> list[Path]:
    return sorted(Path(storages["default"].location).rglob("*"))


def mine(user):
    return Video.objects.filter(user=user)


def test_videos_can_be_restored_until_their_time_is_up(user, settings):
    settings.UNDO_MINUTES = 10
    video, kept = a_video(user), a_video(user)
    count, at = lifecycle.trash(mine(user).filter(pk=video.pk))
    assert count == 1
    assert list(Video.objects.kept()) == [kept]
    assert lifecycle.restore(mine(user).filter(deleted_at=at)) == 1
    assert Video.objects.kept().count() == 2
    Video.objects.filter(pk=video.pk).update(deleted_at=age(11))
    assert lifecycle.restore(mine(user)) == 0
    assert lifecycle.purge_trash()
    assert list(Video.objects.all()) == [kept]


def test_deleting_again_does_not_extend_the_time(user):
    video = a_video(user, deleted_at=age(5))
    assert lifecycle.trash(mine(user))[0] == 0
    video.refresh_from_db()
    assert video.deleted_at < age(4)


def test_a_purge_leaves_neither_rows_nor_files_nor_folders(user, other_user):
    video, collection = a_video(user, deleted_at=age(11)), CollectionFactory(user=user)
    collection.items.create(video=video)
    video.liked_by.create(user=other_user)
    video.reports.create(reason="spam")
    assert lifecycle.purge_trash()
    assert (Video.objects.count(), Job.objects.count(), StageRun.objects.count()) == (0, 0, 0)
    assert (collection.items.count(), other_user.likes.count()) == (0, 0)
    assert [path for path in files() if path.name != "videos"] == []


def test_a_purge_touches_nothing_else(user, other_user):
    a_video(user, deleted_at=age(9))
    a_video(user)
    a_video(other_user)
    lifecycle.purge_trash()
    assert (Video.objects.count(), Job.objects.count()) == (3, 3)
    assert len([path for path in files() if path.is_file()]) == 3 * len(KINDS)


def test_a_batch_of_variations_goes_with_its_last_clip_since_it_is_named_by_their_prompt(user):
    variations, file = BatchFactory(user=user, axes=[]), BatchFactory(user=user)
    videos = [a_video(user) for _ in range(3)]
    for video, batch in zip(videos, (variations, variations, file), strict=True):
        Job.objects.filter(pk=video.job_id).update(batch=batch)
    for video, left in zip(videos, ({variations, file}, {file}, {file}), strict=True):
        lifecycle.delete(video)
        lifecycle.purge_trash()
        assert set(Batch.objects.all()) == left


def test_without_an_undo_window_the_purge_is_asked_for_at_once(
    user, settings, sent, django_capture_on_commit_callbacks
):
    settings.UNDO_MINUTES = 0
    video = a_video(user)
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.trash(mine(user))
    assert sent == [(lifecycle.PURGE_TASK, "cpu")]
    assert lifecycle.restore(mine(user)) == 0
    tasks.purge_trash()
    assert not Video.objects.filter(pk=video.pk).exists()
    assert [path for path in files() if path.is_file()] == []


def test_with_a_window_nothing_is_sent_before_it_is_over(user, sent, django_capture_on_commit_callbacks):
    a_video(user)
    with django_capture_on_commit_callbacks(execute=True):
        lifecycle.trash(mine(user))
    assert sent == []


def test_deleting_forever_works_without_an_undo_window(user, sent, django_capture_on_commit_callbacks):
    fresh, trashed = a_video(user), a_video(user, deleted_at=age(1))
    with django_capture_on_commit_callbacks(execute=True):
        assert lifecycle.delete(fresh)
        assert lifecycle.delete(trashed)
    assert not lifecycle.delete(fresh)
    assert sent == [(lifecycle.PURGE_TASK, "cpu")] * 2
    assert lifecycle.restore(mine(user)) == 0
    lifecycle.purge_trash()
    assert not Video.objects.exists()


def test_deleting_forever_is_rolled_back_with_its_transaction(user):
    from django.db import transaction

    video = a_video(user)
    with pytest.raises(RuntimeError), transaction.atomic():
        lifecycle.delete(video)
        raise RuntimeError
    lifecycle.purge_trash()
    assert Video.objects.kept().get() == video
    assert len([path for path in files() if path.is_file()]) == len(KINDS)


@pytest.mark.parametrize("files_deleted", range(1, len(KINDS) + 1))
def test_the_next_purge_finishes_after_a_crash(user, monkeypatch, files_deleted):
    video = a_video(user, deleted_at=age(11))
    real, calls = lifecycle.delete_file, []

    def dies(storage, name):
        real(storage, name)
        calls.append(name)
        if len(calls) == files_deleted:
            raise SystemExit  # as if killed: no handler runs

    monkeypatch.setattr(lifecycle, "delete_file", dies)
    with pytest.raises(SystemExit):
        lifecycle.purge_trash()
    assert Video.objects.get().pk == video.pk
    assert lifecycle.restore(mine(user)) == 0
    monkeypatch.setattr(lifecycle, "delete_file", real)
    assert lifecycle.purge_trash()
    assert (Video.objects.count(), Job.objects.count()) == (0, 0)
    assert [path for path in files() if path.is_file()] == []


def test_undeletable_files_do_not_block_other_videos(user, monkeypatch):
    stuck, other = a_video(user, deleted_at=age(20)), a_video(user, deleted_at=age(15))
    real = lifecycle.delete_file

    def refuses(storage, name):
        if str(stuck.job_id) in name:
            raise PermissionError(name)
        real(storage, name)

    monkeypatch.setattr(lifecycle, "delete_file", refuses)
    assert lifecycle.purge_trash()
    assert list(Video.objects.all()) == [stuck]
    assert not Video.objects.filter(pk=other.pk).exists()
    monkeypatch.setattr(lifecycle, "delete_file", real)
    lifecycle.purge_trash()
    assert not Video.objects.exists()


def test_a_last_moment_restore_wins_or_loses_completely(user, monkeypatch):
    """If it is restored between being found and being purged, the conditional update decides."""
    video = a_video(user, deleted_at=age(11))
    expired, calls = type(Video.objects.all()).expired, []

    def found_then_restored(self):
        calls.append(1)
        if len(calls) == 2:  # called to claim the video
            Video.objects.filter(pk=video.pk).update(deleted_at=None)
        return expired(self)

    monkeypatch.setattr(type(Video.objects.all()), "expired", found_then_restored)
    assert lifecycle.purge_trash()
    assert Video.objects.kept().get() == video
    assert len([path for path in files() if path.is_file()]) == len(KINDS)


def test_a_large_trash_is_purged_in_several_messages(user, sent):
    for _ in range(3):
        a_video(user, deleted_at=age(11))
    assert not lifecycle.purge_trash(seconds=0)
    assert Video.objects.count() == 2
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lifecycle, "purge_trash", lambda: False)
        tasks.purge_trash()
    assert sent == [(lifecycle.PURGE_TASK, "cpu")]


def test_no_deletion_is_lost_if_the_broker_is_down(user, monkeypatch, django_capture_on_commit_callbacks):
    def away(*_args, **_options):
        raise ConnectionError("no broker")

    video = a_video(user)
    monkeypatch.setattr(app, "send_task", away)
    with django_capture_on_commit_callbacks(execute=True):
        assert lifecycle.delete(video)
    assert Video.objects.get().deleted_at == GIVEN_UP
    lifecycle.purge_trash()
    assert not Video.objects.exists()


def test_the_purge_is_known_by_name_routed_and_scheduled():
    app.loader.import_default_modules()
    assert lifecycle.PURGE_TASK in app.tasks
    scheduled = [entry for entry in app.conf.beat_schedule.values() if entry["task"] == lifecycle.PURGE_TASK]
    assert [entry["schedule"] for entry in scheduled] == [60.0]
    assert app.amqp.router.route({}, lifecycle.PURGE_TASK)["queue"].name == "cpu"


def test_a_deleted_account_takes_its_trash_with_it_at_once(user):
    a_video(user)
    a_video(user, deleted_at=age(1))
    CollectionFactory(user=user)
    accounts.request_deletion(user)
    assert accounts.settle(user.pk)
    assert (Video.objects.count(), Job.objects.count()) == (0, 0)
    assert [path for path in files() if path.is_file()] == []


def test_on_s3_a_purge_leaves_no_object(user, other_user, on_s3):
    a_video(user, deleted_at=age(11))
    kept = a_video(other_user)
    assert len(on_s3()) == 2 * len(KINDS)
    lifecycle.purge_trash()
    assert on_s3() == {file.name for file in kept.files}
    assert list(Video.objects.all()) == [kept]


def test_on_s3_a_deleted_account_leaves_no_object(user, other_user, on_s3):
    a_video(user)
    a_video(user, deleted_at=age(1))
    kept = a_video(other_user)
    accounts.request_deletion(user)
    assert accounts.settle(user.pk)
    assert on_s3() == {file.name for file in kept.files}


def test_a_job_whose_video_is_in_the_trash_shows_none(client, user):
    video = a_video(user)
    client.force_login(user)
    page = lambda: client.get(f"/jobs/{video.job_id}/").content.decode()  # noqa: E731
    assert f'href="/videos/{video.pk}/"' in page()
    lifecycle.trash(mine(user))
    assert f'href="/videos/{video.pk}/"' not in page()
    assert f"/videos/{video.pk}/restore/" in page()
    assert "It was deleted from the library." in page()
    lifecycle.restore(mine(user))
    assert f'href="/videos/{video.pk}/"' in page()

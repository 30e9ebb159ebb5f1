"""Backups share their files, and what nobody needs any more is deleted."""

import os
from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from auravideo.backups import BackupError, databases, snapshots


@pytest.fixture
def clock(monkeypatch):
    """Let an hour pass with every look at the clock."""

    class Clock(datetime):
        passed = datetime(2026, 11, 28, 3, tzinfo=UTC)

        @classmethod
        def now(cls, tz=None):
            cls.passed += timedelta(hours=1)
            return cls.passed

    monkeypatch.setattr(snapshots, "datetime", Clock)


@pytest.fixture(autouse=True)
def _database(settings, tmp_path):
    """An empty SQLite file: tests/auravideo/backups/test_journey.py backs up a real one."""
    path = tmp_path / "db.sqlite3"
    path.touch()
    settings.DATABASES = {"default": {**settings.DATABASES["default"], "ENGINE": "sqlite3", "NAME": str(path)}}


def store(key: str, content: bytes = b"film") -> None:
    storages["default"].save(key, ContentFile(content))


def copies(folder):
    root = folder / "files"
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_file_is_copied_once(tmp_path, clock):
    folder = tmp_path / "backups"
    store("videos/a/video.mp4")
    first = snapshots.make(folder, keep=7)
    store("videos/b/video.mp4")
    second = snapshots.make(folder, keep=7)
    assert (first.files, first.copied) == (1, 1)
    assert (second.files, second.copied) == (2, 1)
    assert [path.name for path in snapshots.complete(folder)] == ["2026-11-28T04-00-00Z", "2026-11-28T05-00-00Z"]


def test_a_file_that_changed_is_copied_again(tmp_path, clock):
    folder = tmp_path / "backups"
    store("videos/a/poster.webp", b"old")
    snapshots.make(folder, keep=7)
    store("videos/a/poster.webp", b"new")
    os.utime(storages["default"].path("videos/a/poster.webp"), (2_000_000_000, 2_000_000_000))
    assert snapshots.make(folder, keep=7).copied == 1
    assert copies(folder) == {"videos/a/poster.webp": b"new"}


def test_a_deleted_video_is_gone_once_no_backup_needs_it(tmp_path, clock):
    folder = tmp_path / "backups"
    store("videos/a/video.mp4")
    store("videos/b/video.mp4")
    snapshots.make(folder, keep=2)
    storages["default"].delete("videos/a/video.mp4")
    assert snapshots.make(folder, keep=2).pruned == 0
    assert snapshots.make(folder, keep=2).pruned == 1
    assert set(copies(folder)) == {"videos/b/video.mp4"}
    assert len(snapshots.complete(folder)) == 2
    assert not (folder / "files" / "videos" / "a").exists()


def test_frames_are_not_backed_up(tmp_path):
    store("jobs/a/generate/0000.safetensors")
    assert snapshots.make(tmp_path / "backups", keep=1).files == 0


def test_an_interrupted_backup_is_none(tmp_path, clock):
    folder = tmp_path / "backups"
    store("videos/a/video.mp4")
    folder.mkdir()
    (folder / "files").write_text("in the way")
    with pytest.raises(BackupError, match="files"):
        snapshots.make(folder, keep=7)
    assert len(list(folder.glob("*.part"))) == 1
    assert snapshots.complete(folder) == []
    assert not (folder / "last-success").exists()

    (folder / "files").unlink()
    snapshots.make(folder, keep=7)
    assert len(list(folder.glob("20*"))) == len(snapshots.complete(folder)) == 1
    assert (folder / "last-success").exists()


def test_a_missing_copy_is_named(tmp_path):
    folder = tmp_path / "backups"
    store("videos/a/video.mp4")
    made = snapshots.make(folder, keep=7)
    (folder / "files" / "videos" / "a" / "video.mp4").unlink()
    storages["default"].delete("videos/a/video.mp4")
    with pytest.raises(BackupError, match=r"video\.mp4 is missing"):
        snapshots.restore(made.path)


def test_only_what_is_missing_is_stored_again(tmp_path):
    store("videos/a/video.mp4")
    store("videos/b/video.mp4")
    made = snapshots.make(tmp_path / "backups", keep=7)
    storages["default"].delete("videos/a/video.mp4")
    assert snapshots.restore(made.path) == 1
    assert storages["default"].open("videos/a/video.mp4").read() == b"film"


def test_the_other_kind_of_database_is_refused(tmp_path):
    made = snapshots.make(tmp_path / "backups", keep=7)
    (made.path / databases.SQLITE).rename(made.path / databases.POSTGRESQL)
    with pytest.raises(BackupError, match=r"has no database\.sqlite3"):
        snapshots.restore(made.path)


def test_a_missing_program_comes_with_its_package(tmp_path, settings, monkeypatch):
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "django.db.backends.postgresql")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BackupError, match=r"pg_dump is not installed.*postgresql-client"):
        databases.dump(tmp_path)


@pytest.mark.parametrize("options", [["--keep", "0"], ["--every", "0"]])
def test_nonsense_is_refused(tmp_path, options):
    with pytest.raises(CommandError, match="must be positive"):
        call_command("backup", str(tmp_path), *options)

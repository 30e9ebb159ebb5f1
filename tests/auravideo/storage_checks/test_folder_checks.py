"""`manage.py check_storage` on local folders."""

from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage, InMemoryStorage, storages
from django.core.management import CommandError, call_command

from auravideo.storage_checks import folder, run
from auravideo.storage_checks.findings import State


def findings(storage: FileSystemStorage, alias: str = "frames") -> dict:
    return {found.check: found for found in run.check(alias, storage)}


def test_folders_that_work_are_said_to_and_stay_empty(capsys, settings):
    call_command("check_storage")
    out = capsys.readouterr().out
    assert "Everything that the site needs works." in out
    for alias in ("default", "frames"):
        left = [path for path in Path(storages[alias].location).rglob("*") if path.is_file()]
        assert left == []
    call_command("check_storage")


def test_a_folder_that_cannot_be_made_is_named(settings, capsys):
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": "/dev/null/media"},
        },
    }
    with pytest.raises(CommandError, match="1 of "):
        call_command("check_storage")
    out = capsys.readouterr().out
    assert "/dev/null/media" in out
    assert "AURAVIDEO_HOME" in out


@pytest.mark.parametrize(("limit", "state"), [("LITTLE", State.WARNING), ("TOO_LITTLE", State.FAILED)])
def test_a_disk_that_is_nearly_full_is_seen(tmp_path, monkeypatch, limit, state):
    monkeypatch.setattr(folder, "LITTLE", 2**60)
    if limit == "TOO_LITTLE":
        monkeypatch.setattr(folder, "TOO_LITTLE", 2**60)
    found = findings(FileSystemStorage(tmp_path, allow_overwrite=True))["free space"]
    assert (found.state, "AURAVIDEO_HOME" in found.fix) == (state, True)


def test_a_folder_that_everybody_may_write_to_is_a_warning(tmp_path):
    tmp_path.chmod(0o777)
    found = findings(FileSystemStorage(tmp_path, allow_overwrite=True))["permissions"]
    assert (found.state, found.fix) == (State.WARNING, f"chmod go-w {tmp_path}")


def test_a_storage_that_renames_instead_of_replacing_is_refused(tmp_path):
    found = findings(FileSystemStorage(tmp_path, allow_overwrite=False))["replace it"]
    assert found.state == State.FAILED
    assert "overwrite" in found.fix


def test_a_storage_that_we_do_not_know_is_left_alone():
    (found,) = run.check("default", InMemoryStorage())
    assert (found.detail, found.state) == ("InMemoryStorage", State.WARNING)

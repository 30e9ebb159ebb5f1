"""Nobody but the site's own user reads its files, unless AURAVIDEO_UMASK lets a group."""

import logging
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as site_settings

from auravideo.core.machine import permissions
from auravideo.doctor import installation
from auravideo.doctor.findings import Problem, State


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def home(tmp_path):
    """A home as an earlier version left it."""
    home = tmp_path / "home"
    for name in ("media", "frames", "redis", "models", "serve", "static"):
        (home / name).mkdir(parents=True)
        (home / name).chmod(0o755)
    for name in ("db.sqlite3", "db.sqlite3-wal", "secret_key", "precision.json"):
        (home / name).touch()
        (home / name).chmod(0o644)
    home.chmod(0o755)
    return home


def test_what_was_left_open_is_closed_once_and_said(home, caplog):
    with caplog.at_level(logging.WARNING):
        permissions.close(permissions.of_home(home), 0o077)
    for name in ("", "media", "frames", "redis", "serve"):
        assert mode(home / name) == 0o700, name
    for name in ("db.sqlite3", "db.sqlite3-wal", "secret_key"):
        assert mode(home / name) == 0o600, name
    (record,) = caplog.records
    assert str(home / "media") in record.message and "AURAVIDEO_UMASK=027" in record.message
    caplog.clear()
    permissions.close(permissions.of_home(home), 0o077)
    assert not caplog.records


def test_a_group_keeps_what_the_umask_leaves_it(home):
    (home / "media").chmod(0o775)
    permissions.close(permissions.of_home(home), 0o027)
    assert (mode(home), mode(home / "media"), mode(home / "db.sqlite3")) == (0o750, 0o750, 0o640)


def test_what_is_not_ours_is_left_alone(home):
    (home / "letters").mkdir(mode=0o755)
    (home / "letters").chmod(0o755)
    (home / "frames").rmdir()
    (home / "frames").symlink_to(home / "letters")
    permissions.close(permissions.of_home(home), 0o077)
    assert mode(home) == 0o755, "somebody else's files are in it"
    assert mode(home / "letters") == 0o755, "also not through a link"
    assert mode(home / "media") == 0o700 and mode(home / "db.sqlite3") == 0o600


def test_what_cannot_be_closed_is_named(home, caplog, monkeypatch):
    def refuse(_path, _mode):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    permissions.close(permissions.of_home(home), 0o077)
    assert "we may not change that" in caplog.text and "Operation not permitted" in caplog.text


def test_the_doctor_names_what_is_open(home, settings):
    settings.HOME = home
    with pytest.raises(Problem) as raised:
        installation.home()
    found = raised.value
    assert found.state == State.WARNING and str(home / "media") in found.detail and "chmod go-rwx" in found.fix
    permissions.close(permissions.of_home(home), 0o077)
    assert installation.home() == str(home)


WRITE = """
import django, sys, tempfile
django.setup()
from pathlib import Path
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from auravideo.backups import snapshots
call_command("migrate", verbosity=0)
storages["default"].save("videos/a/b.mp4", ContentFile(b"x"))
storages["frames"].save("jobs/a/b", ContentFile(b"x"))
snapshots.make(Path(sys.argv[1]), 2)
"""


@pytest.mark.parametrize(("umask", "forbidden"), [("", 0o077), ("027", 0o027)])
def test_everything_that_the_site_writes_is_closed_whatever_the_shells_umask(tmp_path, umask, forbidden):
    home, backups = tmp_path / "home", tmp_path / "backups"
    environment = {
        "PATH": os.environ["PATH"], "AURAVIDEO_HOME": str(home), "AURAVIDEO_ENV_FILE": os.devnull,
        "AURAVIDEO_UMASK": umask, "DJANGO_SETTINGS_MODULE": "auravideo.settings",
    }  # fmt: skip
    command = [sys.executable, "-c", WRITE, str(backups)]
    subprocess.run(command, cwd=site_settings.BASE_DIR, env=environment, check=True, umask=0o000)
    written = [path for folder in (home, backups) for path in (folder, *folder.rglob("*"))]
    assert {"db.sqlite3", "secret_key", "b.mp4", "b", "database.sqlite3"} <= {path.name for path in written}
    assert [str(path) for path in written if mode(path) & forbidden] == []


def test_an_unknown_umask_is_refused(tmp_path):
    environment = {"PATH": os.environ["PATH"], "AURAVIDEO_HOME": str(tmp_path), "AURAVIDEO_UMASK": "000"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=site_settings.BASE_DIR, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "AURAVIDEO_UMASK must be one of 077, 027, 007, 022, not '000'" in done.stderr

"""Each fault of this machine is found, and named with its fix."""

import os
import pwd
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from auravideo import environment
from auravideo.doctor import installation
from auravideo.doctor.findings import State


def test_this_python_will_do():
    assert installation.python() == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 15, 0)])
def test_another_python_will_not(monkeypatch, problem, version):
    monkeypatch.setattr(sys, "version_info", version)
    assert problem(installation.python).detail == "Python " + ".".join(map(str, version))


def test_python_is_the_one_of_pyproject(settings):
    assert f'requires-python = "{installation.PYTHON}"' in (settings.BASE_DIR / "pyproject.toml").read_text()


def test_what_is_installed_is_what_is_locked():
    assert "all in the locked version" in installation.packages()


@pytest.fixture
def lock_file(settings, tmp_path):
    """Return a function that replaces the lock file."""

    def write(text: str) -> None:
        (tmp_path / "requirements.txt").write_text(text)
        settings.BASE_DIR = tmp_path

    return write


def test_another_version_is_a_warning(lock_file, problem):
    lock_file('# via x\ndjango==4.2\npillow==1.0 ; sys_platform == "win32"\n    # via y\n')
    found = problem(installation.packages)
    assert found.state == State.WARNING
    assert "django 5.2" in found.detail and "instead of 4.2" in found.detail
    assert "pillow" not in found.detail


def test_a_missing_package_is_a_failure(lock_file, problem, monkeypatch):
    lock_file("no-such-package==1.0\n")
    monkeypatch.setattr(installation, "ALWAYS", ("no-such-package",))
    found = problem(installation.packages)
    assert (found.state, found.detail) == (State.FAILED, "missing: no-such-package")


def test_a_package_of_other_machines_may_be_missing(lock_file):
    lock_file("no-such-package==1.0\n")
    assert installation.packages().startswith("0 of 1 installed")


def test_a_package_that_comes_with_torch_is_missed_beside_it(lock_file, monkeypatch, problem):
    lock_file("torch==1.0\nno-such-package==1.0\n")
    monkeypatch.setattr(installation, "WITH_TORCH", ("no-such-package",))
    assert "no-such-package is missing" in problem(installation.packages).detail
    lock_file("no-such-package==1.0\n")
    monkeypatch.setattr(installation, "_installed", lambda _name: None)  # a machine of other stages has no torch
    monkeypatch.setattr(installation, "ALWAYS", ())
    assert installation.packages().startswith("0 of 1 installed")


def test_an_image_without_a_lock_file(settings, tmp_path, not_applicable):
    settings.BASE_DIR = tmp_path
    assert "requirements.txt" in not_applicable(installation.packages)


def test_system_checks_are_passed_on(settings, problem):
    assert installation.system_checks() == "no warnings"
    settings.ALLOWED_HOSTS = ["*"]
    found = problem(installation.system_checks)
    assert found.state == State.FAILED
    assert "auravideo.E003" in found.detail and "ALLOWED_HOSTS=video.example.org" in found.fix


@pytest.fixture
def open_home(settings, monkeypatch):
    """A home that others may enter, with a secret key that only its owner can read; pytest's own folders are closed."""
    with tempfile.TemporaryDirectory() as folder:
        settings.HOME = Path(folder)
        settings.HOME.chmod(0o755)
        key = settings.HOME / "secret_key"
        key.touch(0o600)
        monkeypatch.setattr(environment, "secret_files", set())
        yield settings.HOME


def test_a_secret_that_others_can_read(open_home, problem):
    assert installation.secret_files() == "secret_key"
    key = open_home / "secret_key"
    key.chmod(0o604)
    found = problem(installation.secret_files)
    assert str(key) in found.detail and "-rw----r--" in found.detail
    assert (found.state, found.fix) == (State.FAILED, f"chmod 600 {key}")


@pytest.mark.parametrize(("mode", "folder"), [(0o640, 0o755), (0o644, 0o750)])
def test_a_secret_for_a_group_is_safe_only_if_nobody_else_is_in_it(open_home, monkeypatch, problem, mode, folder):
    (open_home / "secret_key").chmod(mode)
    open_home.chmod(folder)
    nobody_else = [account for account in pwd.getpwall() if account.pw_uid == os.geteuid()]
    monkeypatch.setattr(installation.pwd, "getpwall", lambda: nobody_else)
    monkeypatch.setattr(installation.grp, "getgrgid", lambda gid: SimpleNamespace(gr_mem=[]))
    assert installation.secret_files() == "secret_key"
    monkeypatch.setattr(installation.grp, "getgrgid", lambda gid: SimpleNamespace(gr_mem=["eve"]))
    assert "secret_key" in problem(installation.secret_files).detail
    monkeypatch.setattr(installation.os, "getegid", lambda: 1 + open_home.stat().st_gid)
    monkeypatch.setattr(installation.grp, "getgrgid", lambda gid: SimpleNamespace(gr_mem=[]))
    assert "secret_key" in problem(installation.secret_files).detail


def test_a_secret_in_a_folder_that_is_closed(open_home):
    (open_home / "secret_key").chmod(0o644)
    open_home.chmod(0o700)
    assert installation.secret_files() == "secret_key"


def test_a_database_that_others_can_read_is_a_warning(open_home, problem):
    (open_home / "db.sqlite3").touch()
    (open_home / "db.sqlite3").chmod(0o644)
    found = problem(installation.secret_files)
    assert found.state == State.WARNING and "db.sqlite3" in found.detail


def test_a_secret_file_that_a_setting_names(open_home, monkeypatch, problem):
    path = open_home / "token"
    path.write_text("x")
    path.chmod(0o644)
    monkeypatch.setenv("METRICS_TOKEN_FILE", str(path))
    environment.secret("METRICS_TOKEN")
    assert str(path) in problem(installation.secret_files).detail
    monkeypatch.setattr(installation, "MOUNTED_SECRETS", open_home)
    assert "token" in installation.secret_files()


@pytest.mark.parametrize(("free", "state"), [(3 * 2**30, State.WARNING), (2**20, State.FAILED)])
def test_little_space(monkeypatch, problem, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free))
    assert problem(installation.disk).state == state


def test_enough_space(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=2**40))
    assert "1024.0 GiB free" in installation.disk()


def test_a_home_with_something_of_another_user(settings, problem, tmp_path, monkeypatch):
    settings.HOME = tmp_path
    assert installation.home() == str(tmp_path)
    (tmp_path / "media").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _mode: not str(path).endswith("media"))  # root may write everywhere
    found = problem(installation.home)
    assert found.detail.startswith(str(tmp_path / "media")) and "chown" in found.fix

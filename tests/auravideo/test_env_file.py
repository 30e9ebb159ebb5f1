"""One file of settings for the site and its commands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from auravideo import environment as env

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Return a function that reads a file with this content and returns the variables that it sets."""

    def read(content: str | bytes) -> dict[str, str]:
        path = tmp_path / "site.env"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        monkeypatch.setattr(os, "environ", {"AURAVIDEO_ENV_FILE": str(path), "PORT": "9000"})
        env.load_file(tmp_path)
        return {name: value for name, value in os.environ.items() if name != "AURAVIDEO_ENV_FILE"}

    return read


def test_lines_are_read_as_a_shell_reads_them(load):
    content = """
# The site
AURAVIDEO_HOME=/srv/auravideo
  export HOST=0.0.0.0
DEFAULT_FROM_EMAIL='AuraVideo <clips@example.org>'
SECRET_KEY="a # b"
DATABASE_PASSWORD=p#ss=w
EMPTY=
"""
    assert load(content) == {
        "PORT": "9000",
        "AURAVIDEO_HOME": "/srv/auravideo",
        "HOST": "0.0.0.0",
        "DEFAULT_FROM_EMAIL": "AuraVideo <clips@example.org>",
        "SECRET_KEY": "a # b",
        "DATABASE_PASSWORD": "p#ss=w",
        "EMPTY": "",
    }


def test_what_is_set_already_wins(load):
    assert load("PORT=8001\n")["PORT"] == "9000"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SECRET_KEY", "line 2: this is not NAME=value"),
        ("=hunter2", "line 2: this is not NAME=value"),
        ("SECRET-KEY=hunter2", "line 2: this is not NAME=value"),
        ("export", "line 2: this is not NAME=value"),
        ("SECRET_KEY=hunter2 hunter3", "line 2: put the value of SECRET_KEY in single quotes"),
        ("SECRET_KEY=hunter2 # the key", "line 2: put the value of SECRET_KEY in single quotes"),
        ("SECRET_KEY='hunter2", "line 2: a quotation mark is missing"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_without_its_secret(load, line, message):
    with pytest.raises(ImproperlyConfigured, match=message) as raised:
        load(f"# comment\n{line}\n")
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_not_text_is_refused(load):
    with pytest.raises(ImproperlyConfigured, match="not text in UTF-8"):
        load(b"\xff\xfe")


def test_a_file_that_is_named_has_to_exist(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", {"AURAVIDEO_ENV_FILE": "/no/such/file"})
    with pytest.raises(ImproperlyConfigured, match="AURAVIDEO_ENV_FILE=/no/such/file does not exist"):
        env.load_file(tmp_path)


def test_a_file_that_nobody_named_need_not_exist(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "environ", {})
    env.load_file(tmp_path)
    (tmp_path / "auravideo.env").write_text("PORT=8001\n")
    env.load_file(tmp_path)
    assert os.environ == {"PORT": "8001"}


def manage(*arguments: str, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [python, "manage.py", *arguments],
        cwd=ROOT, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_a_command_uses_the_home_that_the_file_names(tmp_path):
    path = tmp_path / "auravideo.env"
    path.write_text(f"AURAVIDEO_HOME={tmp_path}/home\n")
    done = manage("fetch_models", AURAVIDEO_ENV_FILE=str(path))
    assert done.returncode == 0, done.stderr
    assert f"Models are kept in {tmp_path}/home/models" in done.stdout
    assert (tmp_path / "home" / "secret_key").exists()


def test_a_python_without_our_packages_is_told_which_one_to_use(tmp_path):
    bare = str(Path(sys.base_prefix) / "bin" / "python3")
    if subprocess.run([bare, "-c", "import celery"], capture_output=True, check=False).returncode == 0:
        pytest.skip("the system's Python has our packages")
    done = manage("createsuperuser", python=bare, AURAVIDEO_HOME=str(tmp_path))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert f"Run: {ROOT}/.venv/bin/python manage.py createsuperuser" in done.stderr


# --- Commands before the first start ----------------------------------------------------------------------------------


@pytest.fixture
def fresh(tmp_path):
    """Return the environment of a site that was never started."""
    return {"AURAVIDEO_HOME": str(tmp_path / "home"), "AURAVIDEO_ENV_FILE": os.devnull}


FEW = """
from django.core.management import call_command
from auravideo.demo import clips
clips.CLIPS = tuple({clip.state: clip for clip in clips.CLIPS}.values())  # drawing a video takes a second
call_command("seed_demo")
"""


def seed(**environment: str) -> subprocess.CompletedProcess:
    code = f"import django; django.setup()\n{FEW}"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False,
        env={"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "auravideo.settings", **environment},
    )  # fmt: skip


@pytest.mark.thorough
def test_an_administrator_can_be_created_first_and_the_demo_after(fresh):
    administrator = {"DJANGO_SUPERUSER_PASSWORD": "a long enough passphrase", **fresh}
    command = ("createsuperuser", "--no-input", "--username=admin", "--email=a@example.org")
    done = manage(*command, **administrator)
    assert done.returncode == 0, done.stderr
    assert "Superuser created" in done.stdout
    assert "unapplied" not in done.stdout
    assert "already taken" in manage(*command, **administrator).stderr
    demo = seed(**fresh)
    assert demo.returncode == 0, demo.stderr
    assert "Sign in as one of ada, ben, staff;" in demo.stdout
    assert "admin existed already and keeps its own password" in demo.stdout


@pytest.mark.thorough
def test_the_demo_can_be_created_first(fresh):
    done = seed(**fresh)
    assert done.returncode == 0, done.stderr
    assert "ada, ben, staff, admin" in done.stdout

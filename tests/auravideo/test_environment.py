"""The settings: defaults are sensible, and an invalid value stops start-up."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from auravideo import environment as env

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path, **variables):
    """Run `manage.py check` in a separate process with these variables."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**clean, "AURAVIDEO_HOME": str(tmp_path / "home"), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_with_nothing_set_the_site_starts_and_keeps_a_private_key(tmp_path):
    assert start(tmp_path).returncode == 0
    key = tmp_path / "home" / "secret_key"
    assert len(key.read_text()) > 50
    assert key.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "perhaps"),
        ("PORT", "eighty"),
        ("PORT", "99999"),
        ("REDIS_URL", "http://localhost"),
        ("DATABASE_URL", "oracle://localhost"),
        ("S3_ENDPOINT_URL", "ftp://localhost"),
        ("S3_CA_BUNDLE", "no/such/file"),
        ("S3_CHECKSUMS", "never"),
        ("S3_ADDRESSING", "dns"),
        ("S3_READ_TIMEOUT", "0"),
        ("S3_ATTEMPTS", "for ever"),
        ("EMAIL_VERIFICATION", "always"),
        ("AURAVIDEO_MAX_SIDE", "12"),
        ("SECRET_KEY_FILE", "no/such/file"),
        ("AURAVIDEO_HOME", "/dev/null/home"),
    ],
)
def test_a_value_that_cannot_be_read_stops_the_start_with_one_line_that_names_it(tmp_path, name, value):
    done = start(tmp_path, **{name: value})
    assert done.returncode == 1
    assert name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(("value", "expected"), [("True", True), ("0", False), ("yes", True), ("off", False)])
def test_true_and_false_have_their_usual_spellings(monkeypatch, value, expected):
    monkeypatch.setenv("FLAG", value)
    assert env.boolean("FLAG", not expected) is expected


def test_a_secret_key_that_exists_is_kept(tmp_path, monkeypatch):
    monkeypatch.delenv("SECRET_KEY", raising=False)
    assert env.secret_key(tmp_path) == env.secret_key(tmp_path)


def test_an_empty_secret_key_file_is_refused(tmp_path, monkeypatch):
    (tmp_path / "key").touch()
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(ImproperlyConfigured, match="empty"):
        env.secret_key(tmp_path)


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(tmp_path):
    assert env.redis_socket(Path("/srv/site")) == Path("/srv/site/redis/redis.sock")
    assert len(str(env.redis_socket(tmp_path / ("x" * 200)))) < 108


@pytest.mark.parametrize(
    ("url", "number", "expected"),
    [
        ("redis://cache:6379", 2, "redis://cache:6379/2"),
        ("redis://cache:6379/0", 3, "redis://cache:6379/3"),
        ("rediss://user:pw@cache:6379/5", 1, "rediss://user:pw@cache:6379/1?ssl_cert_reqs=required"),
        ("unix:///run/redis.sock", 2, "unix:///run/redis.sock?db=2"),
    ],
)
def test_each_use_of_redis_has_a_database_of_its_own(monkeypatch, url, number, expected):
    from auravideo import settings as module

    monkeypatch.setattr(module, "REDIS_URL", url)
    assert module.redis_url(number) == expected

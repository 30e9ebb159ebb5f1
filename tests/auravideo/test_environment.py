"""The settings: defaults are sensible, and an invalid value stops start-up."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from auravideo import environment as env
from tests.sampling import every

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


def test_a_new_home_is_closed_to_other_users_of_the_machine(tmp_path):
    assert start(tmp_path).returncode == 0
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700


def test_a_home_that_exists_keeps_its_mode(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o750)
    assert start(tmp_path).returncode == 0
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o750


@pytest.mark.parametrize(
    ("name", "value"),
    every(
        5,
        [
            ("DEBUG", "perhaps"),
            ("PORT", "eighty"),
            ("PORT", "99999"),
            ("REDIS_URL", "http://localhost"),
            ("DATABASE_URL", "oracle://localhost"),
            ("DATABASE_URL", "postgres://localhost:port/name"),
            ("DATABASE_PASSWORD", "for no server"),
            ("REDIS_URL", "redis://localhost:port"),
            ("REDIS_PASSWORD", "for no server"),
            ("EMAIL_URL", "pigeon://localhost"),
            ("EMAIL_PASSWORD", "for no server"),
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
    ),
)
def test_a_value_that_cannot_be_read_stops_the_start_with_one_line_that_names_it(tmp_path, name, value):
    done = start(tmp_path, **{name: value})
    assert done.returncode == 1
    assert name in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


SECRETS = [
    "SECRET_KEY", "DATABASE_URL", "DATABASE_PASSWORD", "REDIS_URL", "REDIS_PASSWORD", "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY", "EMAIL_URL", "EMAIL_PASSWORD", "BROKER_URL", "BROKER_PASSWORD",
]  # fmt: skip


@pytest.fixture
def unset(monkeypatch):
    """Unset every secret."""
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


@pytest.fixture
def secret_file(monkeypatch, tmp_path, unset):
    """Return a function that writes a secret to a file and names it in the variable."""

    def write(name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))

    return write


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_can_be_in_a_file(secret_file, name):
    secret_file(name, b"hunter2\n")
    assert env.secret(name) == "hunter2"


def test_settings_are_the_same_from_variables_and_from_files(tmp_path):
    values = {
        "SECRET_KEY": "k" * 60,
        "DATABASE_URL": "postgres://ada@db.invalid/site",
        "DATABASE_PASSWORD": "p@ss/w:rd#%",
        "REDIS_URL": "redis://cache.invalid:6380",
        "REDIS_PASSWORD": "r@d/s:#%",
        "S3_ACCESS_KEY_ID": "AKIA",
        "S3_SECRET_ACCESS_KEY": "s3/cret+",
        "EMAIL_URL": "smtp+tls://mailer@mail.invalid:587",
        "EMAIL_PASSWORD": "m@il/#%",
    }
    files = {}
    for name, value in values.items():
        (tmp_path / name).write_text(f"{value}\n")
        files[f"{name}_FILE"] = str(tmp_path / name)
    found = [_settings(tmp_path, S3_BUCKET="clips", **variables) for variables in (values, files)]
    assert found[0] == found[1]
    assert found[0] == [
        "k" * 60, "p@ss/w:rd#%", "redis://:r%40d%2Fs%3A%23%25@cache.invalid:6380", "AKIA", "s3/cret+", "m@il/#%",
    ]  # fmt: skip


SHOW = """
import json
from auravideo import settings as s
storage = s.STORAGES["frames"]["OPTIONS"]
print(json.dumps([s.SECRET_KEY, s.DATABASES["default"]["PASSWORD"], s.REDIS_URL, storage["access_key"],
                  storage["secret_key"], s.EMAIL_HOST_PASSWORD]))
"""


def _settings(tmp_path, **variables):
    environment = {"PATH": os.environ["PATH"], "AURAVIDEO_HOME": str(tmp_path / "home"), **variables}
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, env=environment, capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"one\ntwo\n", "one line"), (b"\xff\xfe", "UTF-8")],
)
@pytest.mark.parametrize("name", SECRETS)
def test_a_file_without_a_secret_is_refused(secret_file, name, content, reason):
    secret_file(name, content)
    with pytest.raises(ImproperlyConfigured, match=f"{name}_FILE=.*{reason}"):
        env.secret(name)


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_and_its_file_cannot_both_be_set(secret_file, monkeypatch, name):
    secret_file(name, b"one")
    monkeypatch.setenv(name, "two")
    with pytest.raises(ImproperlyConfigured, match=f"{name} and {name}_FILE are both set"):
        env.secret(name)


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_file_stops_the_start_with_one_line_that_names_the_variable(tmp_path, name):
    done = start(tmp_path, S3_BUCKET="clips", **{f"{name}_FILE": "/no/such/file"})
    assert done.returncode == 1
    assert done.stderr == (
        f"AuraVideo cannot start: {name}_FILE=/no/such/file cannot be read: No such file or directory.\n"
    )


@pytest.mark.parametrize(
    ("read", "service", "url"),
    [
        (lambda: env.database(Path("/srv")), "DATABASE", "postgres://ada:first@db/site"),
        (env.redis_url, "REDIS", "redis://:first@cache:6379"),
        (env.broker_url, "BROKER", "amqp://ada:first@rabbit//"),
        (env.email, "EMAIL", "smtp://ada:first@mail"),
    ],
)
def test_a_second_password_is_refused(monkeypatch, unset, read, service, url):
    monkeypatch.setenv(f"{service}_URL", url)
    read()
    monkeypatch.setenv(f"{service}_PASSWORD", "second")
    with pytest.raises(ImproperlyConfigured, match=f"{service}_PASSWORD is set, but {service}_URL has a password too"):
        read()


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (lambda: env.database(Path("/srv")), "DATABASE_URL"),
        (env.redis_url, "REDIS_URL"),
        (env.email, "EMAIL_URL"),
        (env.broker_url, "BROKER_URL"),
    ],
)
@pytest.mark.parametrize("form", ["{}://ada:hunter2/x@host/1", "pigeon://ada:hunter2@host", "{}://ada:hunter2@[::1"])
def test_no_message_repeats_a_secret(monkeypatch, unset, read, name, form):
    scheme = {"DATABASE_URL": "postgres", "REDIS_URL": "redis", "EMAIL_URL": "smtp", "BROKER_URL": "amqp"}[name]
    monkeypatch.setenv(name, form.format(scheme))
    with pytest.raises(ImproperlyConfigured, match=name) as raised:
        read()
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache", "redis://:p%20w@cache"),
        ("rediss://ada@cache:6380/0?ssl_cert_reqs=none", "rediss://ada:p%20w@cache:6380/0?ssl_cert_reqs=none"),
        ("redis://[::1]:6379", "redis://:p%20w@[::1]:6379"),
    ],
)
def test_the_password_of_redis_goes_into_its_url(monkeypatch, unset, url, expected):
    monkeypatch.setenv("REDIS_URL", url)
    monkeypatch.setenv("REDIS_PASSWORD", "p w")
    assert env.redis_url() == expected


def test_the_password_of_rabbitmq_goes_into_its_url_and_needs_a_user(monkeypatch, unset):
    monkeypatch.setenv("BROKER_PASSWORD", "p w/@")
    monkeypatch.setenv("BROKER_URL", "amqps://ada@rabbit/site")
    assert env.broker_url() == "amqps://ada:p%20w%2F%40@rabbit/site"
    monkeypatch.setenv("BROKER_URL", "amqps://rabbit/site")
    with pytest.raises(ImproperlyConfigured, match="names no user"):
        env.broker_url()


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

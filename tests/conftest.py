"""Shared fixtures: the tests start their own Redis server and use their own folder."""

import pytest
from django.test import override_settings
from django.utils import translation


def s3_storage(server, bucket: str, **options: object) -> dict:
    """Return the entry of STORAGES for a bucket; `options` replace those of the backend."""
    own = {
        "bucket_name": bucket,
        "endpoint_url": server.endpoint,
        "access_key": server.access_key,
        "secret_key": server.secret_key,
        "region_name": "us-east-1",
        "addressing_style": "path",
        "signature_version": "s3v4",
        "querystring_expire": 300,
    }
    return {"BACKEND": "auravideo.core.s3.S3Storage", "OPTIONS": {**own, **options}}


@pytest.fixture(scope="session", autouse=True)
def _redis_server():
    """Start a private Redis, as `manage.py serve` does."""
    from django.conf import settings

    from auravideo.server import redis_server
    from tests.environment import HOME

    assert str(settings.HOME) == HOME, "the tests are about to use somebody's own site"
    process = redis_server.start(settings.REDIS_SOCKET)
    yield
    if process is not None:
        process.terminate()
        process.wait()


@pytest.fixture(autouse=True)
def _empty_redis(_redis_server):
    """Give every test empty queues, an empty cache, and no recorded rates or rate-limit counts."""
    from accounts.security import sessions
    from generation.jobs import forecast
    from generation.queue import broker, estimates, roster
    from generation.queue.loading import times

    broker.connection().flushall()
    estimates._rate.cache_clear()
    estimates._learned.cache_clear()
    roster._FRESH_SECONDS = times._FRESH_SECONDS = 10**9  # or a test would sometimes count one query more
    sessions.NOTE_SECONDS = float("inf")  # likewise: the first page of a session would write that it is used
    roster._capacity.cache_clear()
    roster._missing = roster._Missing()
    times._measured.cache_clear()
    forecast._FRESH_SECONDS = 0.0
    forecast.forget()


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords():
    """Hash passwords fast, also for users that are made once for several tests."""
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield


@pytest.fixture(autouse=True)
def _local_folders(settings, tmp_path):
    """Give every test its own storage."""
    for alias, folder in (("default", "media"), ("public", "media"), ("frames", "frames")):
        settings.STORAGES[alias]["OPTIONS"]["location"] = str(tmp_path / "storage" / folder)
    settings.STORAGES = dict(settings.STORAGES)


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    """Return a real S3 server (tests/rigs/s3_server.py), started when the first test needs it."""
    from tests.rigs import s3_server

    with s3_server.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def _s3_bucket(s3_server):
    return s3_server.make_bucket()


@pytest.fixture
def s3_bucket(s3_server, _s3_bucket):
    """Return an empty bucket. One for all tests of a process, because a new one takes half a second."""
    yield _s3_bucket
    found = s3_server.client().list_objects_v2(Bucket=_s3_bucket).get("Contents", [])
    if found:
        keys = [{"Key": one["Key"]} for one in found]
        s3_server.client().delete_objects(Bucket=_s3_bucket, Delete={"Objects": keys})


@pytest.fixture
def use_s3(settings, s3_server, s3_bucket):
    """Return a function that puts all storages into `s3_bucket`; its arguments replace options of the backend."""

    def use(**options):
        s3 = s3_storage(s3_server, s3_bucket, **options)
        settings.STORAGES = {**settings.STORAGES, **dict.fromkeys(("default", "frames", "public"), s3)}

    return use


@pytest.fixture
def on_s3(use_s3, s3_server, s3_bucket):
    """Put all storages into an empty bucket; return a function that lists its keys."""
    use_s3()
    client = s3_server.client()
    return lambda: {found["Key"] for found in client.list_objects_v2(Bucket=s3_bucket).get("Contents", [])}


@pytest.fixture(autouse=True)
def _static_files_on_demand(settings):
    """Look up static files on demand: listing them all took a third of each new client's time."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _language():
    """Reset the active language, which would otherwise leak from a page to the next test through the thread."""
    yield
    translation.deactivate()


@pytest.fixture
def user(db):
    from tests.factories import UserFactory

    return UserFactory()


@pytest.fixture
def other_user(db):
    from tests.factories import UserFactory

    return UserFactory()


@pytest.fixture
def edited_catalogue(settings, tmp_path):
    """Return a function that edits the catalogue: the bundled model then has twice its size and half its rate."""

    def edit() -> None:
        path = tmp_path / "edited.toml"
        path.write_text("[models.tiny]\nnative_size = 128\nnative_fps = 4\n")
        settings.CATALOGUE_FILE = str(path)

    return edit


@pytest.fixture
def other_families(settings, tmp_path):
    """Add models of other families to the catalogue, whose files are there; see tests/other_families.py."""
    from tests.other_families import CATALOGUE

    path = tmp_path / "families.toml"
    path.write_text(CATALOGUE)
    settings.CATALOGUE_FILE = str(path)


@pytest.fixture
def native_sizes(settings, tmp_path):
    """Add those models, and two with native sizes by shape."""
    from tests.other_families import NATIVE_SIZES

    path = tmp_path / "native-sizes.toml"
    path.write_text(NATIVE_SIZES)
    settings.CATALOGUE_FILE = str(path)


@pytest.fixture
def signed_in(client, user):
    """Return the test client, signed in as `user`."""
    client.force_login(user)
    return client


@pytest.fixture
def mails_at_once(monkeypatch):
    """Run the task that sends emails as soon as it is queued; other tasks go to the broker."""
    from accounts import tasks
    from accounts.sign_in.mails import MAIL_TASK
    from auravideo.celery import app

    send = app.send_task

    def send_task(name, args=(), **options):
        if name != MAIL_TASK:
            return send(name, args=args, **options)
        return tasks.send_mail.apply(args, throw=True)

    monkeypatch.setattr(app, "send_task", send_task)

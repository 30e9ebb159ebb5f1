"""Shared fixtures: the tests start their own Redis server and use their own folder."""

import pytest
from django.test import override_settings
from django.utils import translation


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
    from generation.queue import broker, estimates

    broker.connection().flushall()
    estimates._rate.cache_clear()


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
def signed_in(client, user):
    """Return the test client, signed in as `user`."""
    client.force_login(user)
    return client

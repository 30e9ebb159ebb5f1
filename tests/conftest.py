"""Shared fixtures: a private Redis server, and a temporary folder for everything else."""

import pytest
from django.test import override_settings
from django.utils import translation


@pytest.fixture(scope="session", autouse=True)
def _redis_server():
    """Start a private Redis, the way `manage.py serve` does."""
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
    """Start every test with empty queues, an empty cache, no measured rates and no rate-limit counts."""
    from generation.queue import broker, estimates

    broker.connection().flushall()
    estimates._rate.cache_clear()


@pytest.fixture(scope="session", autouse=True)
def _quick_passwords():
    """Hash passwords fast, including those of users shared by several tests."""
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
    """Look up static files on request: listing them all took a third of the time of each new client."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(autouse=True)
def _language():
    """Reset the language after each test: Django keeps a page's language active in its thread."""
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
    """Return a function that edits the site's catalogue: the bundled model gets twice its size and half its rate."""

    def edit() -> None:
        path = tmp_path / "edited.toml"
        path.write_text("[models.tiny]\nnative_size = 128\nnative_fps = 4\n")
        settings.CATALOGUE_FILE = str(path)

    return edit


@pytest.fixture
def signed_in(client, user):
    """Return the test client with `user` signed in."""
    client.force_login(user)
    return client

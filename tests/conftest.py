"""What the tests need, started by them: a Redis server of their own, a folder of their own for everything else.

The environment is set before Django reads it, so that no test can touch the site that a developer runs in var/.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

_HOME = Path(tempfile.mkdtemp(prefix="auravideo-tests-"))
os.environ["AURAVIDEO_HOME"] = str(_HOME)
for name in ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET", "EMAIL_URL", "ALLOWED_HOSTS", "DEBUG"):
    os.environ.pop(name, None)
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def pytest_unconfigure() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def _redis_server():
    """A private Redis, as `manage.py serve` starts it."""
    from django.conf import settings

    from auravideo import private_redis

    process = private_redis.start(settings.REDIS_SOCKET)
    yield
    if process is not None:
        process.terminate()
        process.wait()


@pytest.fixture(autouse=True)
def _empty_redis(_redis_server):
    """Every test finds empty queues, an empty cache and no rate-limit counts."""
    from generation import broker

    broker.connection().flushall()


@pytest.fixture(autouse=True)
def _local_folders(settings, tmp_path):
    """Every test has storage of its own."""
    for alias, folder in (("default", "media"), ("public", "media"), ("frames", "frames")):
        settings.STORAGES[alias]["OPTIONS"]["location"] = str(tmp_path / "storage" / folder)
    settings.STORAGES = dict(settings.STORAGES)
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def user(db):
    from tests.factories import UserFactory

    return UserFactory()


@pytest.fixture
def other_user(db):
    from tests.factories import UserFactory

    return UserFactory()

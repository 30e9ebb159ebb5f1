"""`manage.py serve` refuses what cannot work before it starts anything; tests/e2e/test_serve.py starts it."""

import io
import socket

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command

from auravideo.server import crew, processes, shared


def serve(**options: object) -> None:
    call_command("serve", stdout=io.StringIO(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"only": "pages"}, "--only takes web, workers, scheduler, not 'pages'"),
        ({"only": ""}, "--only takes web, workers, scheduler"),
        ({"only": "web,paint"}, "--only takes"),
        ({"only": "web", "queues": "generate"}, "--queues and --name are about workers"),
        ({"only": "scheduler", "name": "box"}, "--queues and --name are about workers"),
        ({"only": "workers", "queues": ""}, "There is nothing to run"),
        ({"queues": "paint"}, "--queues: There is no queue named paint"),
        ({"queues": "generate:first"}, "--queues: 'generate:first' names no graphics card"),
        ({"name": "a@b"}, "'a@b' is not a valid name"),
    ],
)
def test_a_mistake_in_the_options_is_named(options, message):
    with pytest.raises(CommandError, match=message):
        serve(**options)


def test_a_mistake_in_the_setting_is_named(settings):
    settings.WORKERS = "generate:0;generate:1"
    with pytest.raises(CommandError, match="AURAVIDEO_WORKERS: 'generate:0;generate:1' names no graphics card"):
        serve()


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(CommandError, match="Cannot listen on"):
        serve(only="web", port=server.getsockname()[1])


@pytest.fixture
def remote(settings):
    """Set a database on another machine."""
    settings.DATABASES = {"default": {**settings.DATABASES["default"], "HOST": "db.example.org"}}
    return settings


def test_machines_with_one_database_need_one_redis(remote):
    with pytest.raises(ImproperlyConfigured, match=r"\(db\.example\.org\), so set REDIS_URL"):
        serve()


def test_machines_with_one_database_need_one_secret_key(remote):
    remote.REDIS_URL = "redis://cache.example.org"
    remote.SECRET_KEY_IS_GENERATED = True
    with pytest.raises(ImproperlyConfigured, match=r"\(db\.example\.org\), so set SECRET_KEY or SECRET_KEY_FILE"):
        serve()


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1", "::1", "/run/postgresql"])
def test_a_database_on_this_machine_needs_neither(settings, host):
    settings.DATABASES = {"default": {**settings.DATABASES["default"], "HOST": host}}
    shared.check()


def test_each_process_has_a_heartbeat_file_of_its_own(settings):
    (worker,) = crew.parse("generate:0")
    assert "AURAVIDEO_HEARTBEAT_FILE" not in processes.worker(worker, "box").environment
    settings.HEARTBEAT_FILE = "/run/beat"
    assert processes.worker(worker, "box").environment["AURAVIDEO_HEARTBEAT_FILE"] == "/run/beat.generate-0"
    assert processes.scheduler().environment["AURAVIDEO_HEARTBEAT_FILE"] == "/run/beat.scheduler"

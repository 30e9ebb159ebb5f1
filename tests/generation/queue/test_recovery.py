"""Recovery of lost jobs: a dead worker, a wiped broker, a message that was never sent."""

import base64
import json
from datetime import timedelta

import pytest
import redis
from django.utils import timezone

from auravideo.celery import app
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, StageRun, Worker
from generation.queue import broker, claims, recovery, services, turns, units
from generation.queue.recovery import GRACE_SECONDS
from generation.requests import available
from generation.requests.request import parse
from tests.factories import WorkerFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(user):
    request = parse({"prompt": "a blue star"}, available.catalogue(), available.limits())
    return services.submit(user, request)


def age(seconds: float) -> None:
    """Backdate every job and stage run by `seconds`."""
    past = timezone.now() - timedelta(seconds=seconds)
    Job.objects.update(touched_at=past)
    StageRun.objects.update(heartbeat_at=past)


def test_the_scheduler_runs_recovery_and_pruning():
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {"workers.tasks.requeue_lost", "workers.tasks.prune"} <= scheduled
    app.loader.import_default_modules()
    assert scheduled <= set(app.tasks)


def test_a_claim_without_a_heartbeat_for_a_minute_is_lost_and_its_job_queued_again(job):
    claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker")
    age(61)
    assert recovery.requeue_lost() == 1
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.QUEUED, 2)
    assert StageRun.objects.get().status == RunStatus.LOST
    assert (str(job.pk), 2) in broker.standing_messages()


def test_a_claim_that_its_worker_handed_back_without_the_database_is_no_attempt(job):
    held = claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker")
    claims.note_handed_back(held.pk)
    age(61)
    assert recovery.requeue_lost() == 1
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.QUEUED, 2)
    assert StageRun.objects.get().status == RunStatus.CANCELLED


def test_without_redis_it_counts_as_lost(job, monkeypatch):
    held = claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker")
    with monkeypatch.context() as away:
        away.setattr(broker, "connection", lambda: redis.Redis(port=1, retry=None))
        claims.note_handed_back(held.pk)
        assert not claims.was_handed_back(held.pk)


def test_a_claim_with_a_heartbeat_is_left_alone(job):
    held = claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker")
    age(50)
    assert claims.beat(held)
    Job.objects.update(touched_at=timezone.now() - timedelta(hours=1))
    assert recovery.requeue_lost() == 0


def test_a_scheduler_whose_clock_is_wrong_loses_nobodys_claim(job, monkeypatch):
    """The database's clock judges, whatever the machines' own clocks say."""
    claims.beat(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"))
    for hours in (1, -1):
        wrong = timezone.now() + timedelta(hours=hours)
        monkeypatch.setattr(timezone, "now", lambda wrong=wrong: wrong)
        assert recovery.requeue_lost() == 0
        monkeypatch.undo()


def test_a_worker_whose_clock_is_wrong_keeps_and_loses_its_claim_like_any_other(job, monkeypatch):
    ahead = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    claims.beat(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"))
    monkeypatch.undo()
    assert StageRun.objects.get().heartbeat_at - timezone.now() < timedelta(seconds=10)
    age(61)
    assert recovery.requeue_lost() == 1


@pytest.mark.parametrize("minutes", [-2, 60])
def test_a_job_that_moved_just_now_is_left_alone_whoever_moved_it(job, monkeypatch, minutes):
    wrong = timezone.now() + timedelta(minutes=minutes)
    monkeypatch.setattr(timezone, "now", lambda: wrong)
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    monkeypatch.undo()
    broker.connection().flushall()
    assert recovery.requeue_lost() == 0
    age(GRACE_SECONDS + 1)
    assert recovery.requeue_lost() == 1


def test_a_stage_takes_as_long_as_it_takes_whatever_the_clock_of_its_worker(job, monkeypatch):
    held = claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker")
    wrong = timezone.now() - timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: wrong)
    claims.finish(held, {})
    assert 0 <= StageRun.objects.get().seconds < 10


def test_scheduled_tasks_outlive_clocks_that_differ():
    assert min(entry["options"]["expires"] for entry in app.conf.beat_schedule.values()) >= 3600


def test_the_first_sweep_after_a_while_gives_workers_time_to_beat(job):
    claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker")
    age(61)
    assert recovery.sweep() == 0
    assert recovery.sweep() == 1
    broker.connection().flushall()
    age(61)
    assert recovery.sweep() == 1, "a job without a message has nothing to do with that"


def test_a_job_that_waits_its_turn_is_left_alone_however_long(job):
    age(3600)
    assert recovery.requeue_lost() == 0


def test_after_redis_was_wiped_a_waiting_job_is_sent_again(job):
    broker.connection().flushall()
    age(60)
    assert recovery.requeue_lost() == 1
    assert broker.standing_messages() == {(str(job.pk), 2)}


def test_after_redis_was_wiped_between_two_stages_only_what_is_left_is_sent(job):
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    broker.connection().flushall()
    age(60)
    assert recovery.requeue_lost() == 1
    job.refresh_from_db()
    assert units.done(job) == {(Stage.PREPROCESS, 0)}
    assert claims.claim(job.pk, 2, Stage.GENERATE, 0, "worker") is not None


def checked(job, count: int = 1):
    """Return `count` jobs like `job`, itself included, that wait for their turn, with one message each."""
    jobs = [job, *(services.submit(job.user, job.render_request) for _ in range(count - 1))]
    for each in jobs:
        claims.finish(claims.claim(each.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
        services.send_next(each, 1)
    broker.connection().delete("cpu", *(f"cpu:{n}" for n in range(10)))
    return jobs


def test_a_job_that_waits_its_turn_needs_no_message_of_its_own_only_as_many_as_there_are_jobs(job):
    """Whoever takes a message serves the job whose turn it is, so the message of another job may be the one left."""
    first, second, third = checked(job, 3)
    age(3600)
    assert recovery.requeue_lost() == 0
    broker.connection().rpop("generate")  # the first one's message served the third
    claims.claim(third.pk, 1, Stage.GENERATE, 0, "worker")
    assert recovery.requeue_lost() == 0
    broker.connection().rpop("generate")  # and the next one was lost
    age(30)
    assert recovery.requeue_lost() == 1
    runs = dict(Job.objects.values_list("pk", "run"))
    assert (runs[first.pk], runs[second.pk]) == (2, 1)
    assert broker.depths()["generate"] == 2
    age(3600)
    claims.beat(StageRun.objects.get(job=third, stage=Stage.GENERATE))
    assert recovery.requeue_lost() == 0


def waits_for_a_larger_card(job: Job) -> None:
    """Let a small worker have passed a job on to one of 24 GB."""
    broker.connection().delete("cpu")
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    services.send_next(job, 1)
    turns.move(job, "generate-24gb")
    broker.connection().rename("generate", "generate-24gb")


@pytest.mark.parametrize("drains", [False, True])
def test_a_clip_does_not_wait_for_a_larger_card_that_has_gone(job, drains):
    waits_for_a_larger_card(job)
    WorkerFactory(memory_total=12 * 10**9)
    larger = WorkerFactory(memory_total=24 * 10**9)
    assert recovery.requeue_lost() == 0
    found = Worker.objects.filter(pk=larger.pk)
    found.update(draining_since=timezone.now()) if drains else found.delete()
    assert recovery.requeue_lost() == 1
    job.refresh_from_db()
    assert (job.run, job.waits_in) == (2, "generate")
    assert broker.Message("generate", Stage.GENERATE, str(job.pk), 2) in broker.standing()
    assert recovery.requeue_lost() == 0


def test_it_does_if_nobody_else_can_make_it(job):
    waits_for_a_larger_card(job)
    WorkerFactory(memory_total=24 * 10**9, draining_since=timezone.now())
    assert recovery.requeue_lost() == 0


def test_a_job_whose_next_message_was_never_sent_is_sent_again(job):
    """Its worker was killed between recording a stage and sending the next."""
    claims.finish(claims.claim(job.pk, 1, Stage.PREPROCESS, 0, "worker"), {})
    broker.connection().delete("cpu")
    age(60)
    assert recovery.requeue_lost() == 1
    assert broker.depths()["generate"] == 1


def test_a_job_that_was_touched_just_now_is_left_alone(job):
    broker.connection().flushall()
    assert recovery.requeue_lost() == 0


def test_an_old_unacked_message_without_a_claim_does_not_count(job):
    """A worker killed between taking a message and claiming its stage leaves the message unacked."""
    client = broker.connection()
    raw = client.rpop("cpu")

    message = json.dumps([json.loads(raw), "", "cpu"])
    client.hset("unacked", "tag", message)
    client.zadd("unacked_index", {"tag": timezone.now().timestamp()})
    age(60)
    assert recovery.requeue_lost() == 0
    for hours in (-1, 1):  # long ago, or by a worker whose clock is ahead
        client.zadd("unacked_index", {"tag": timezone.now().timestamp() + hours * 3600})
        assert broker.standing_messages() == set()
    assert recovery.requeue_lost() == 1


def test_a_message_of_an_earlier_version_counts_for_its_job():
    """Version 0.1 messages are recognised by the task name in their headers, not by their number of arguments."""
    body = base64.b64encode(b'[["7c9e6679-7425-40de-944b-e07fc1f90ae7", 3, 0], {}, {"callbacks": null}]').decode()
    message = {
        "body": body,
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "workers.tasks.generate", "id": "5", "retries": 0, "origin": "1@site"},
        "properties": {"delivery_info": {"routing_key": "generate"}, "priority": 0, "body_encoding": "base64"},
    }
    broker.connection().lpush("generate", json.dumps(message))
    assert broker.standing_messages() == {("7c9e6679-7425-40de-944b-e07fc1f90ae7", 3)}


def test_a_message_of_another_task_with_three_arguments_counts_for_no_job():
    app.send_task("gallery.tasks.write_letter", args=("7c9e6679-7425-40de-944b-e07fc1f90ae7", "", ""), queue="cpu")
    assert broker.depths()["cpu"] == 1
    assert broker.standing_messages() == set()


def test_two_sweepers_requeue_a_job_once(job):
    broker.connection().flushall()
    age(60)
    assert recovery.requeue_lost() == 1
    assert not services.requeue(job, 1)
    job.refresh_from_db()
    assert job.run == 2


def test_nothing_is_requeued_while_the_broker_is_down(job, monkeypatch):

    def refuse():
        raise redis.ConnectionError("no connection")

    monkeypatch.setattr("generation.queue.broker.standing", refuse)
    age(60)
    assert recovery.requeue_lost() == 0

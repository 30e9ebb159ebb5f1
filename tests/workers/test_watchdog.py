"""Who is killed, for what reason, and what becomes of the clip. tests/e2e/test_hangs.py shows it with real workers."""

import time

import pytest

from auravideo.core.liveness import oom_kills, progress
from generation.domain.states import MAX_ATTEMPTS, RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import claims, recovery, services
from tests.factories import JobFactory
from workers import watchdog
from workers.watchdog import Why

pytestmark = pytest.mark.django_db(transaction=True)


class Pool:
    """What the watchdog knows of a worker's pool: its processes."""

    info = {"processes": [4711]}


@pytest.fixture
def dog(monkeypatch):
    monkeypatch.setattr(progress, "_board", None)
    found = watchdog.Watchdog(Pool)
    found.pool = Pool
    monkeypatch.setattr(watchdog, "_watchdog", found)
    return found


@pytest.fixture
def killed(monkeypatch):
    pids = []
    monkeypatch.setattr(watchdog.os, "kill", lambda pid, _signal: pids.append(pid))
    return pids


@pytest.fixture
def held(user):
    return claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, "generate@here:4711")


def say(monkeypatch, **sign):
    sign = {"pid": 4711, "claim": 0, "due": time.monotonic() + 60, **sign}
    monkeypatch.setattr(progress, "signs", lambda: [progress.Sign(**sign)])


def test_who_advances_lives(dog, killed, monkeypatch):
    say(monkeypatch)
    dog.look()
    assert killed == []


def test_who_is_overdue_is_killed_once(dog, killed, monkeypatch, held):
    say(monkeypatch, due=time.monotonic() - 1)
    dog.look()
    dog.look()
    assert killed == [4711]
    assert watchdog.why_killed(held) is Why.HUNG
    assert watchdog.why_killed(held) is None


def test_who_got_no_cpu_has_as_much_longer_as_it_waited(dog, killed, monkeypatch):
    waited = iter([50, 55, 60, 61])  # seconds, from look to look; the first sign came after 50
    monkeypatch.setattr(dog.starvation, "look", lambda _pids: None)
    monkeypatch.setattr(dog.starvation, "seconds", lambda _pid: next(waited))
    due = time.monotonic() + 3600
    say(monkeypatch, due=due)
    dog.look()
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: due + 5 - 0.1)
    dog.look()
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: due + 10 - 0.1)
    dog.look()
    assert killed == []
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: due + 11 + 0.1)
    dog.look()
    assert killed == [4711]


def test_a_process_that_is_not_ours_is_left_alone(dog, killed, monkeypatch):
    say(monkeypatch, pid=1, due=time.monotonic() - 1)
    dog.look()
    assert killed == []


def test_who_goes_on_with_a_cancelled_clip_is_killed_after_a_while(dog, killed, monkeypatch, held, settings):
    settings.CANCEL_WITHIN_SECONDS = 0.01
    say(monkeypatch, claim=held.pk)
    dog.look_for_ended()
    assert dog.ended == {}
    services.cancel(held.job)
    dog.look_for_ended()
    time.sleep(0.02)
    dog.look_for_ended()
    dog.look()
    assert killed == [4711]
    assert dog.killed[4711][1] is Why.ENDED


def test_a_child_that_left_a_cancelled_clip_is_forgiven(dog, killed, monkeypatch, held, settings):
    settings.CANCEL_WITHIN_SECONDS = 0.01
    say(monkeypatch, claim=held.pk)
    services.cancel(held.job)
    dog.look_for_ended()
    say(monkeypatch)
    dog.look_for_ended()
    dog.look()
    assert (dog.ended, killed) == ({}, [])


def test_a_child_that_the_kernel_ended_was_out_of_memory(dog, held, monkeypatch):
    assert watchdog.why_killed(held) is None
    before = oom_kills.count()
    monkeypatch.setattr(oom_kills, "count", lambda: before + 1)
    dog.look()
    assert watchdog.why_killed(held) is Why.OUT_OF_MEMORY
    assert watchdog.why_killed(held) is None, "one kill explained two deaths"


def test_a_worker_that_stops_gives_back_what_its_children_would_not(dog, killed, monkeypatch, held, settings):
    settings.STOP_WITHIN_SECONDS = -1
    say(monkeypatch, claim=held.pk)
    watchdog.hurry()
    dog.look()
    assert killed == [4711]
    assert (Job.objects.get().status, StageRun.objects.get().status) == (Status.QUEUED, RunStatus.CANCELLED)


@pytest.mark.parametrize(
    ("deaths", "error"),
    [
        ([Why.HUNG] * 3, "stage-hung"),
        ([None] * 3, "worker-lost"),
        ([Why.HUNG, Why.HUNG, None], "worker-lost"),
        ([None, Why.HUNG, Why.OUT_OF_MEMORY], "machine-out-of-memory"),
    ],
)
def test_too_many_attempts_fail_the_clip_for_the_reason_of_the_last(user, deaths, error):
    job = JobFactory(user=user)
    assert len(deaths) == MAX_ATTEMPTS
    for run, why in enumerate(deaths, 1):
        watchdog.bury(claims.claim(job.pk, run, Stage.GENERATE, 0, "worker"), why)
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, error)
    assert "Generating" in job.error_text or "generate" in job.error_text


def test_a_worker_that_only_could_not_reach_the_database_uses_up_no_attempt(held, settings):
    settings.LOST_AFTER_SECONDS = -10
    assert recovery.requeue_lost() == 1
    assert StageRun.objects.get().status == RunStatus.LOST
    assert claims.absolve(held)
    assert StageRun.objects.get().status == RunStatus.CANCELLED
    hung = claims.claim(held.job_id, 2, Stage.GENERATE, 0, "worker")
    watchdog.bury(hung, Why.HUNG)
    assert not claims.absolve(hung)

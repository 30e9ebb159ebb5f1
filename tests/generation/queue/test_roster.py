"""The roster: who is there by the database's clock, what each is doing, and who should take no more work."""

from datetime import timedelta

import pytest
from django.utils import timezone

from generation.domain.memory_classes import Need
from generation.domain.states import Stage
from generation.models import Worker
from generation.queue import claims, recovery, roster
from tests.factories import JobFactory, WorkerFactory

pytestmark = pytest.mark.django_db

FACTS = {
    "host": "gpu1",
    "pid": 42,
    "queues": ["generate"],
    "device": "CPU",
    "version": "1",
    "memory_total": 8 * 10**9,
    "memory_free": 7 * 10**9,
}


@pytest.fixture(autouse=True)
def _fresh_capacity():
    roster._capacity.cache_clear()


def silent_for(worker: Worker, seconds: float) -> None:
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=seconds))


def names(members) -> list[str]:
    return [member.worker.name for member in members]


def test_a_worker_that_registers_is_there_until_it_leaves():
    roster.register("generate@gpu1", **FACTS)
    assert names(roster.members()) == ["generate@gpu1"]
    roster.leave("generate@gpu1", 42)
    assert roster.members() == []


def test_a_silent_worker_is_not_there_and_the_sweep_forgets_it(settings):
    silent, heard = WorkerFactory(), WorkerFactory()
    silent_for(silent, settings.LOST_AFTER_SECONDS + 5)
    silent_for(heard, settings.LOST_AFTER_SECONDS - 5)
    assert names(roster.members()) == [heard.name]
    recovery.requeue_lost()
    assert list(Worker.objects.all()) == [heard]


def test_the_clock_of_the_site_does_not_matter(monkeypatch):
    """A web server whose clock is an hour ahead still sees the workers."""
    roster.register("generate@gpu1", **FACTS)
    ahead = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    assert roster.beat("generate@gpu1", 42, memory_free=1, takes_work=True) is True
    assert names(roster.members()) == ["generate@gpu1"]


def test_a_heartbeat_keeps_it_there_and_says_how_much_memory_is_free():
    worker = WorkerFactory()
    silent_for(worker, 50)
    assert roster.beat(worker.name, worker.pid, memory_free=5, takes_work=True) is True
    worker.refresh_from_db()
    assert worker.memory_free == 5
    assert timezone.now() - worker.heartbeat_at < timedelta(seconds=10)


def test_a_heartbeat_of_a_forgotten_worker_says_that_it_must_register():
    assert roster.beat("generate@gpu1", 42, memory_free=5, takes_work=True) is None


def test_of_two_processes_with_one_name_the_older_one_is_told():
    roster.register("generate@gpu1", **FACTS)
    roster.register("generate@gpu1", **{**FACTS, "pid": 43})
    assert roster.beat("generate@gpu1", 42, memory_free=5, takes_work=True) is None
    roster.leave("generate@gpu1", 42)
    assert names(roster.members()) == ["generate@gpu1"]


def test_a_worker_that_was_killed_while_draining_drains_when_it_is_back():
    roster.register("generate@gpu1", **FACTS)
    roster.drain(["generate@gpu1"])
    roster.register("generate@gpu1", **{**FACTS, "pid": 43})
    assert roster.beat("generate@gpu1", 43, memory_free=5, takes_work=True) is False


def test_a_worker_that_was_stopped_while_draining_starts_anew():
    roster.register("generate@gpu1", **FACTS)
    roster.drain(["generate@gpu1"])
    roster.leave("generate@gpu1", 42)
    roster.register("generate@gpu1", **FACTS)
    assert roster.beat("generate@gpu1", 42, memory_free=5, takes_work=True) is True


def test_its_state_follows_what_it_does_and_is_told(user):
    worker = WorkerFactory(name="generate@gpu1")
    assert roster.members()[0].state == "idle"
    held = claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, "generate@gpu1:77")
    (member,) = roster.members()
    assert (member.state, member.doing[0].stage, member.doing[0].job) == ("busy", "generate", str(held.job_id))
    assert roster.drain([worker.name]) == 1
    assert roster.members()[0].state == "draining"
    claims.finish(held, {})
    assert roster.members()[0].state == "draining", "it has not said yet that it stopped reading"
    roster.beat(worker.name, worker.pid, memory_free=1, takes_work=False)
    assert roster.members()[0].state == "drained"
    assert roster.undrain([worker.name]) == 1
    assert roster.members()[0].state == "idle"


def test_draining_twice_tells_nobody_twice():
    worker = WorkerFactory()
    assert (roster.drain([worker.name]), roster.drain([worker.name])) == (1, 0)


def test_the_capacity_of_a_queue_is_its_largest_worker(settings):
    WorkerFactory(memory_total=8)
    WorkerFactory(memory_total=24, queues=["upscale"])
    WorkerFactory(memory_total=12)
    silent_for(WorkerFactory(memory_total=80), settings.LOST_AFTER_SECONDS + 5)
    assert {queue: max(there.processors) for queue, there in roster.capacity().items()} == {
        "generate": 12,
        "upscale": 24,
    }


def test_what_the_workers_of_a_queue_hold_is_known_together(settings):
    WorkerFactory(warm=["tiny/still"])
    WorkerFactory(warm=["tiny/tiny-motion"])
    silent_for(WorkerFactory(warm=["gone/gone"]), settings.LOST_AFTER_SECONDS + 5)
    assert roster.capacity()["generate"].warm == {"tiny/still", "tiny/tiny-motion"}


def test_the_idle_holders_of_a_model_are_those_that_could_start_at_once(user):
    holder = WorkerFactory(warm=["a/m", "b/m"])
    WorkerFactory(warm=["b/m"])
    WorkerFactory(warm=["a/m"], queues=["upscale"])
    WorkerFactory(warm=["a/m"], draining_since=timezone.now())
    WorkerFactory(warm=["a/m"], memory_total=10)
    assert roster.idle_holders("generate", "a/m", "me", Need(100, 100)) == [holder.name]
    assert roster.idle_holders("generate", "a/m", holder.name, Need(100, 100)) == []
    claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, f"{holder.name}:1")
    assert roster.idle_holders("generate", "a/m", "me", Need(100, 100)) == []


def test_what_all_workers_do_is_read_in_two_queries(user, django_assert_num_queries):
    for worker in WorkerFactory.create_batch(3):
        claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, f"{worker.name}:1")
    with django_assert_num_queries(2):
        assert [member.state for member in roster.members()] == ["busy"] * 3

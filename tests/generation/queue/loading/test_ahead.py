"""Whoever queues a clip asks idle workers to load the models of its later stages, once, and only where it helps."""

import json
import socket
import time
import uuid

import pytest
import redis

from generation.domain.memory_classes import GB
from generation.domain.states import RunStatus, Stage
from generation.models import StageRun
from generation.queue import broker, placement, roster
from generation.queue.loading import ahead
from generation.queue.loading.ahead import State
from generation.queue.pausing import services as pausing
from tests.factories import JobFactory, WorkerFactory, a_request

pytestmark = pytest.mark.django_db

QUEUES = ("interpolate", "upscale")
LOWEST = 9


@pytest.fixture
def crew():
    return [WorkerFactory(name=f"{queue}@host", queues=[queue]) for queue in QUEUES]


@pytest.fixture
def job(user):
    return JobFactory(user=user)


def asked():
    """Return (stage, job) of the requests in the broker, all of the lowest priority."""
    found = []
    for queue in QUEUES:
        for raw in broker.connection().lrange(f"{queue}:{LOWEST}", 0, -1):
            assert json.loads(raw)["headers"]["task"] in (ahead.TASK, ahead.TASK_FOR_FORM)
            found.append(tuple(json.loads(raw)["headers"]["argsrepr"].strip("()").replace("'", "").split(", ")))
    return found


def both(job):
    return [(queue, str(job.pk)) for queue in QUEUES]


def test_the_models_of_later_stages_are_asked_for_once(job, crew):
    ahead.ask([(job, job.render_plan), (JobFactory(user=job.user), job.render_plan)])
    ahead.ask([(job, job.render_plan)])
    assert asked() == both(job)
    assert broker.standing_messages() == set(), "the sweeper would take it for the clip's own message"


def test_only_the_stages_of_the_plan_count(user, crew):
    job = JobFactory(user=user, request=a_request(fps=8))
    ahead.ask([(job, job.render_plan)])
    assert asked() == [("upscale", str(job.pk))]


def test_nobody_is_asked_for_a_model_that_is_there(job, crew):
    for worker, stage in zip(crew, (Stage.INTERPOLATE, Stage.UPSCALE), strict=True):
        roster.report_warm(worker.name, [placement.engine_of(stage, job.render_request)])
    ahead.ask([(job, job.render_plan)])
    assert asked() == []


def test_nobody_is_asked_where_there_is_no_worker(job):
    ahead.ask([(job, job.render_plan)])
    assert asked() == []


@pytest.mark.parametrize("change", [{"takes_work": False}, {"memory_total": GB // 10}])
def test_a_worker_that_could_not_run_the_stage_is_not_asked(job, change):
    WorkerFactory(queues=list(QUEUES), **change)
    ahead.ask([(job, job.render_plan)])
    assert asked() == []


def test_a_busy_worker_is_not_asked(job, crew, user):
    other, now = JobFactory(user=user), job.created_at
    for worker in crew:
        StageRun.objects.create(
            job=other, run=1, stage=worker.queues[0], worker=f"{worker.name}:{worker.pid}", status=RunStatus.RUNNING,
            started_at=now, heartbeat_at=now,
        )  # fmt: skip
    ahead.ask([(job, job.render_plan)])
    assert asked() == []


def test_many_clips_cost_no_more_questions_than_one(user, crew, django_assert_max_num_queries):
    jobs = [JobFactory(user=user) for _ in range(20)]
    with django_assert_max_num_queries(5):
        ahead.ask([(job, job.render_plan) for job in jobs])


# --- For the form -----------------------------------------------------------------------------------------------------


def asked_for_form():
    """Return the queues that were asked for a model while somebody typed."""
    names = ("generate", *QUEUES)
    tasks = [(name, json.loads(raw)) for name in names for raw in broker.connection().lrange(f"{name}:{LOWEST}", 0, -1)]
    return [name for name, message in tasks if message["headers"]["task"] == ahead.TASK_FOR_FORM]


@pytest.fixture
def whole_crew(crew):
    return [WorkerFactory(name="generate@host", queues=["generate"]), *crew]


def test_while_somebody_types_all_models_are_asked_for_once(job, whole_crew):
    ahead.ask_for_form(job.render_request, job.render_plan)
    ahead.ask_for_form(job.render_request, job.render_plan)
    assert asked_for_form() == ["generate", *QUEUES]


def test_a_worker_that_holds_any_model_keeps_it_while_somebody_types(job, whole_crew):
    for worker in whole_crew[:2]:
        roster.report_warm(worker.name, ["another/model"])
    ahead.ask_for_form(job.render_request, job.render_plan)
    assert asked_for_form() == ["upscale"]


def test_typing_asks_nobody_where_nobody_is(job):
    ahead.ask_for_form(job.render_request, job.render_plan)
    assert asked_for_form() == []


def test_a_form_costs_no_queries_once_the_models_are_there(job, whole_crew, django_assert_num_queries):
    for worker in whole_crew:
        roster.report_warm(worker.name, ["another/model"])
    roster.capacity()
    with django_assert_num_queries(0):
        ahead.ask_for_form(job.render_request, job.render_plan)


def test_typing_goes_on_without_redis(job, whole_crew, monkeypatch):
    monkeypatch.setattr(broker, "connection", lambda: redis.Redis(port=1, retry=None))
    ahead.ask_for_form(job.render_request, job.render_plan)


def test_typing_waits_little_for_a_redis_that_does_not_answer(job, whole_crew, settings, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        client = redis.Redis.from_url(url, socket_timeout=5)
        settings.REDIS_BROKER_URL = url
        monkeypatch.setattr(broker, "connection", lambda: client)
        started = time.monotonic()
        ahead.ask_for_form(job.render_request, job.render_plan)
        assert time.monotonic() - started < 5, "the page waits for each stage's note"


def test_typing_asks_nobody_while_rendering_is_paused(job, whole_crew):
    pausing.pause()
    ahead.ask_for_form(job.render_request, job.render_plan)
    assert asked_for_form() == []


def test_without_redis_nobody_is_asked_and_nothing_is_known(job, crew, monkeypatch):
    monkeypatch.setattr(broker, "connection", lambda: redis.Redis(port=1, retry=None))
    ahead.ask([(job, job.render_plan)])
    assert ahead.look(Stage.UPSCALE, "any") is None


def test_a_note_says_how_long_ago_it_was_written():
    engine = uuid.uuid4().hex
    assert ahead.look(Stage.UPSCALE, engine) is None
    assert ahead.note(Stage.UPSCALE, engine, State.ASKED, first=True)
    assert not ahead.note(Stage.UPSCALE, engine, State.ASKED, first=True)
    ahead.note(Stage.UPSCALE, engine, State.LOADING)
    key = ahead._key(Stage.UPSCALE, engine)
    broker.connection().pexpire(key, broker.connection().pttl(key) - 7000)
    found = ahead.look(Stage.UPSCALE, engine)
    assert (found.state, found.is_going_on) == (State.LOADING, True)
    assert found.elapsed == pytest.approx(7, abs=0.5)
    ahead.forget(Stage.UPSCALE)
    assert ahead.look(Stage.UPSCALE, engine) is None

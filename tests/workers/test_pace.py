"""What a stage may take until its next step follows from what it took before."""

import time
from datetime import timedelta

import pytest
from django.db import Error
from django.utils import timezone

from auravideo.core.liveness import progress
from generation.domain.states import RunStatus, Stage
from generation.models import StageRun
from generation.queue import claims, estimates
from tests.factories import JobFactory
from workers import pace, runner

pytestmark = pytest.mark.django_db
FLOOR, LOADING = 300, 1800


class Clock:
    """The monotonic clock, which the test moves."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture
def allowances(monkeypatch):
    """Return the list of allowances that were stated."""
    said = []
    monkeypatch.setattr(progress, "expect", said.append)
    return said


@pytest.fixture
def held(user):
    return claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, "worker")


def took(held, seconds: float, share: float = 1.0) -> None:
    """Record that an earlier stage of `share` of this one's cost took so long."""
    ended = timezone.now()
    StageRun.objects.create(
        job=JobFactory(), run=1, stage=held.stage, worker="worker", status=RunStatus.DONE, cost=held.cost * share,
        started_at=ended - timedelta(seconds=seconds), ended_at=ended, heartbeat_at=ended,
    )  # fmt: skip


def test_a_model_that_loads_has_longer_than_a_step(held, clock, allowances):
    went = pace.Pace(held)
    went.step(0)
    went.step(1)
    assert allowances == [LOADING, LOADING, FLOOR]


def test_a_model_that_loads_has_its_time_after_the_disk_was_asked_for_room(held, allowances):
    runner._make_sure_of_room(runner.Context(held))
    assert allowances[-1] == LOADING


def test_a_first_step_has_as_long_as_the_slowest_stage_of_its_size(held, clock, allowances):
    took(held, 100)
    took(held, 400, share=0.5)
    pace.Pace(held).step(0)
    assert allowances == [LOADING, pytest.approx(800)]


def test_a_step_has_ten_times_as_long_as_the_slowest_before(held, clock, allowances):
    went = pace.Pace(held)
    for seconds in (0, 50, 90, 20):
        clock.now += seconds
        went.step(int(clock.now) - 1000)
    assert allowances[2:] == [500, 900, 900]


def test_an_engine_that_begins_again_in_another_mode_is_not_measured_by_the_last(held, clock, allowances):
    took(held, 400)
    went = pace.Pace(held)
    for done, seconds in ((0, 0), (1, 90), (0, 500), (1, 40)):
        clock.now += seconds
        went.step(done)
    assert allowances[1:] == [pytest.approx(400), 900, pytest.approx(400), 400]


def test_the_wait_for_a_storage_is_no_step(held, clock, allowances):
    went = pace.Pace(held)
    went.step(0)
    clock.now += 5000
    went.move()
    clock.now += 1
    went.step(1)
    assert allowances[2:] == [FLOOR, FLOOR]


def test_without_a_database_there_is_no_history_and_no_error(held, clock, allowances, monkeypatch):
    def refuse(_held):
        raise Error("away")

    monkeypatch.setattr(estimates, "slowest_seconds", refuse)
    pace.Pace(held).step(0)
    assert allowances == [LOADING, LOADING]


def test_a_storage_gives_up_before_its_worker_is_killed(settings):
    settings.S3_BUCKET, settings.S3_ATTEMPTS, settings.S3_READ_TIMEOUT = "clips", 10, 300
    assert pace.floor() > 10 * 300

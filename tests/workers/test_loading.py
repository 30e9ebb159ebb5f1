"""Loading a model is shown on the job's page while it lasts, and measured."""

import time

import pytest

from generation.domain.states import Stage
from generation.queue import claims, events, placement
from tests.factories import JobFactory
from workers import loading, membership

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def held(user, monkeypatch):
    monkeypatch.setattr(membership, "warm_engines", list)  # another test may have left a model in this process
    return claims.claim(JobFactory(user=user).pk, 1, Stage.GENERATE, 0, "worker")


@pytest.fixture
def told(monkeypatch):
    found = []
    monkeypatch.setattr(events, "publish", lambda *about: found.append(about))
    return found


def test_the_page_knows_while_it_lasts_and_how_long_it_took(held):
    with loading.shown(held):
        held.refresh_from_db()
        assert held.is_loading
        time.sleep(0.02)
    held.refresh_from_db()
    assert not held.is_loading
    assert 0.02 <= held.load_seconds < 10


def test_the_page_is_told_that_time_passes(held, told, monkeypatch):
    monkeypatch.setattr(loading, "TELL_SECONDS", 0.01)
    with loading.shown(held):
        deadline = time.monotonic() + 10
        while len(told) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert set(told) == {(held.job.user_id, held.job_id)}


def test_a_model_that_is_there_is_not_loaded(held, told, monkeypatch):
    engine = placement.engine_of(Stage.GENERATE, held.job.render_request)
    monkeypatch.setattr(membership, "warm_engines", lambda: [engine])
    with loading.shown(held):
        held.refresh_from_db()
        assert not held.is_loading
    held.refresh_from_db()
    assert held.load_seconds == 0
    assert told == []


def test_a_model_that_cannot_be_loaded_leaves_no_time(held):
    with pytest.raises(RuntimeError), loading.shown(held):
        raise RuntimeError
    held.refresh_from_db()
    assert held.load_seconds == 0

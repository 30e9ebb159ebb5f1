"""Loading a model is shown on the job's page while it lasts, and measured."""

import time
from dataclasses import replace

import pytest

from generation.domain.memory_classes import GB
from generation.domain.states import Stage
from generation.models import LoadTime
from generation.queue import claims, events, placement, services
from generation.queue.loading import ahead
from generation.queue.loading.ahead import State
from generation.queue.pausing import services as pausing
from tests.factories import JobFactory, WorkerFactory
from workers import cards, engine_factory, loading, membership
from workers.engines import registry

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


# --- Ahead ------------------------------------------------------------------------------------------------------------

UPSCALER = "tiny-esrgan"


@pytest.fixture
def asked(user, monkeypatch):
    """Return a clip that asked for its upscaler, and the requests that were loaded for."""
    monkeypatch.setattr(membership, "warm_engines", list)
    loaded = []
    monkeypatch.setattr(engine_factory, "of_stage", lambda stage, _request: loaded.append(stage))
    ahead.note(Stage.UPSCALE, UPSCALER, State.ASKED)
    return JobFactory(user=user), loaded


def state():
    found = ahead.look(Stage.UPSCALE, UPSCALER)
    return found and found.state


def test_a_model_is_loaded_ahead_and_its_time_remembered(asked):
    job, loaded = asked
    loading.ahead_of(Stage.UPSCALE, job.pk)
    assert (loaded, state()) == ([Stage.UPSCALE], State.READY)
    assert LoadTime.objects.filter(engine=UPSCALER).count() == 1
    loading.ahead_of(Stage.UPSCALE, job.pk)
    assert loaded == [Stage.UPSCALE], "it was loaded twice"


def test_what_fails_ahead_is_left_to_the_stage(asked, monkeypatch):
    def broken(_stage, _request):
        raise RuntimeError("no such file")

    monkeypatch.setattr(engine_factory, "of_stage", broken)
    loading.ahead_of(Stage.UPSCALE, asked[0].pk)
    assert state() is State.FAILED
    assert not LoadTime.objects.exists()


def test_nothing_is_loaded_for_a_clip_that_has_ended(asked):
    job, loaded = asked
    services.cancel(job)
    loading.ahead_of(Stage.UPSCALE, job.pk)
    assert loaded == []


def test_a_request_that_came_too_late_is_void(asked):
    job, loaded = asked
    ahead.forget(Stage.UPSCALE)
    loading.ahead_of(Stage.UPSCALE, job.pk)
    assert loaded == []


def test_nothing_is_loaded_ahead_while_rendering_is_paused(asked):
    job, loaded = asked
    pausing.pause()
    loading.ahead_of(Stage.UPSCALE, job.pk)
    loading.ahead_of_form(Stage.UPSCALE, job.render_request)
    assert (loaded, state()) == ([], None)


def test_no_other_model_is_released_for_it(asked, monkeypatch):
    job, loaded = asked
    monkeypatch.setattr(registry, "has_room", lambda _size: False)
    loading.ahead_of(Stage.UPSCALE, job.pk)
    assert (loaded, state()) == ([], None)


@pytest.mark.parametrize(("free", "loads"), [(1.7, False), (1.9, True)])
def test_models_of_one_machine_must_fit_together(asked, monkeypatch, free, loads):
    """The tiny models need 0.6 GB each; a card that the stages share must hold all three."""
    job, loaded = asked
    monkeypatch.setattr(membership, "boot", lambda: "here")
    monkeypatch.setattr(cards, "device", lambda: cards.Device("card", 8 * GB, int(free * GB)))
    WorkerFactory(queues=["generate", "interpolate", "upscale"], boot="here")
    loading.ahead_of(Stage.UPSCALE, job.pk)
    assert bool(loaded) is loads


FULL, LEAST = 6.0, 1.3  # GB that Stable Diffusion needs for the clip below, in its fastest and its slowest mode


@pytest.fixture
def shared_card(asked, monkeypatch):
    """Return a function that says whether a stage's model is loaded ahead on a card with so many GB free."""
    job, loaded = asked
    request = replace(job.render_request, width=512, height=512)
    by_mode = {"full": int(FULL * GB), "blocks": int(LEAST * GB)}
    monkeypatch.setattr(placement, "generation_needs", lambda *_about: by_mode)
    monkeypatch.setattr(membership, "boot", lambda: "here")
    monkeypatch.setattr(cards, "is_card", lambda: True)
    WorkerFactory(queues=["generate", "interpolate", "upscale"], boot="here")

    def loads(stage, free, queues=("upscale",)):
        monkeypatch.setattr(cards, "device", lambda: cards.Device("card", 8 * GB, int(free * GB)))
        monkeypatch.setattr(membership, "me", membership.Membership("w", queues, queues, 8 * GB))
        ahead.note(stage, placement.engine_of(stage, request), State.ASKED)
        loading.ahead_of_form(stage, request)
        return loaded == [stage]

    return loads


@pytest.mark.parametrize(("free", "loads"), [(FULL + 1.1, False), (FULL + 1.3, True)])
def test_no_model_takes_room_that_lets_generation_run_fast(shared_card, free, loads):
    """FILM and Real-ESRGAN of the tiny models need 0.6 GB each."""
    assert shared_card(Stage.UPSCALE, free) is loads


def test_what_generates_waits_in_main_memory_beside_a_small_card(shared_card):
    assert shared_card(Stage.GENERATE, 0.5, ("generate",))


def test_a_process_that_would_leave_the_card_again_loads_nothing(shared_card, monkeypatch):
    WorkerFactory(queues=["generate"], boot="here", device="card")
    monkeypatch.setattr(cards, "_card", lambda: cards.Device("card", 11 * GB, 11 * GB))
    assert not shared_card(Stage.INTERPOLATE, 11, ("interpolate",))


def test_models_of_another_machine_need_no_room_on_this_one(asked, monkeypatch):
    job, loaded = asked
    monkeypatch.setattr(membership, "boot", lambda: "here")
    monkeypatch.setattr(cards, "device", lambda: cards.Device("card", 8 * GB, int(0.6 * GB)))
    WorkerFactory(queues=["upscale"], boot="here")
    WorkerFactory(queues=["generate", "interpolate"], boot="elsewhere")
    loading.ahead_of(Stage.UPSCALE, job.pk)
    assert loaded == [Stage.UPSCALE]


def test_a_model_is_loaded_while_somebody_types(asked):
    job, loaded = asked
    loading.ahead_of_form(Stage.UPSCALE, job.render_request)
    assert (loaded, state()) == ([Stage.UPSCALE], State.READY)
    assert LoadTime.objects.filter(engine=UPSCALER).count() == 1


def test_a_worker_that_holds_another_model_keeps_it_while_somebody_types(asked, monkeypatch):
    job, loaded = asked
    monkeypatch.setattr(membership, "warm_engines", lambda: ["another"])
    loading.ahead_of_form(Stage.UPSCALE, job.render_request)
    assert (loaded, state()) == ([], None)


def test_a_model_that_only_the_page_knows_is_left_alone(asked):
    job, loaded = asked
    loading.ahead_of_form(Stage.UPSCALE, replace(job.render_request, model="elsewhere"))
    loading.ahead_of_form(Stage.UPSCALE, replace(job.render_request, width=4096, height=4096))
    assert loaded == []


def test_a_worker_that_starts_forgets_what_its_predecessor_loaded(asked, monkeypatch):
    ahead.note(Stage.UPSCALE, UPSCALER, State.LOADING)
    ahead.note(Stage.INTERPOLATE, "tiny-film", State.LOADING)
    monkeypatch.setattr(membership, "me", membership.Membership("w", ("upscale",), ("upscale",), GB))
    loading.begin()
    assert state() is None
    assert ahead.look(Stage.INTERPOLATE, "tiny-film") is not None

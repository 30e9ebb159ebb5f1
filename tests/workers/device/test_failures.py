"""A card that is lost ends the process, gives the clip back, and is not held against the clip for long."""

import threading

import pynvml
import pytest
import torch
from celery.exceptions import Ignore

from generation.domain.errors import RenderError
from generation.domain.states import MAX_ATTEMPTS, MAX_CARD_FAILURES, RunStatus, Stage, Status
from generation.queue import claims
from generation.queue.loading import ahead
from tests.factories import JobFactory
from tests.rigs import nvml
from workers import cards, loading, membership, runner, tasks
from workers.device import failures

pytestmark = pytest.mark.django_db(transaction=True)
GIB = 2**30


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Let this process be one that has lost no card, on a machine with one."""
    monkeypatch.setattr(failures, "_is_lost", False)
    monkeypatch.setattr(failures._in_a_row, "value", 0)
    monkeypatch.setattr(failures, "FIRST_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(runner._backoff, "pause", lambda _stopping: None)
    nvml.install(monkeypatch, [nvml.Card("GPU-1", used=GIB, total=8 * GIB, busy=0)])
    cards._nvml.cache_clear()
    yield
    cards._nvml.cache_clear()


@pytest.fixture
def job(user):
    return JobFactory(user=user)


def lost():
    return torch.AcceleratorError(
        "CUDA error: an illegal memory access was encountered\nCompile with `TORCH_USE_CUDA_DSA`"
    )


def run(job, error=None, stage=Stage.GENERATE):
    def work(_context):
        if error is not None:
            raise error
        return {}

    runner.run(stage, str(job.pk), job.run, 0, work)


def fail(job, error):
    with pytest.raises(Ignore):
        run(job, error)
    job.refresh_from_db()


@pytest.mark.parametrize(
    "error",
    [
        lost(),
        RuntimeError("CUDA error: unspecified launch failure"),
        torch.AcceleratorError("CUDA error: device-side assert triggered"),
        torch.AcceleratorError("CUDA error: unknown error"),  # after a suspend
        RuntimeError("No CUDA GPUs are available"),
    ],
)
def test_the_clip_goes_back_and_the_process_is_to_end(job, error):
    fail(job, error)
    assert job.status == Status.QUEUED
    assert failures.must_end()


def test_a_clip_that_loses_the_card_every_time_fails_in_the_end_and_the_text_names_card_and_driver(job):
    for attempt in range(1, MAX_CARD_FAILURES + 1):
        fail(job, lost())
        assert (job.status == Status.QUEUED) == (attempt < MAX_CARD_FAILURES)
    assert (job.status, job.error_id) == (Status.FAILED, "card-failed")
    for named in ("NVIDIA Rig", nvml.DRIVER, "an illegal memory access", str(MAX_CARD_FAILURES)):
        assert named in job.error_text
    assert "model" not in job.error_text
    assert set(job.stage_runs.values_list("status", flat=True)) == {RunStatus.LOST}


def test_it_uses_up_none_of_the_attempts_that_count_against_the_clip(job):
    for _ in range(MAX_CARD_FAILURES - 1):
        fail(job, lost())
    for _ in range(MAX_ATTEMPTS - 1):
        claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker")
        claims.lose(job.pk, job.run, Stage.GENERATE, 0)
        job.refresh_from_db()
    assert job.status == Status.QUEUED
    claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker")
    claims.lose(job.pk, job.run, Stage.GENERATE, 0)
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, "worker-lost")


@pytest.mark.parametrize(
    ("error", "id"),
    [
        (RuntimeError("CUDA error: no kernel image is available for execution on the device"), "card-unsupported"),
        (RuntimeError("The NVIDIA driver on your system is too old (found version 12020)."), "driver-too-old"),
    ],
)
def test_a_card_that_will_never_do_is_an_error_that_names_it_at_once(job, error, id):
    fail(job, error)
    assert (job.status, job.error_id) == (Status.FAILED, id)
    assert "NVIDIA Rig" in job.error_text
    assert not failures.must_end()


@pytest.mark.parametrize("error", [RenderError("model-missing", model="Wan"), ZeroDivisionError(), MemoryError()])
def test_after_any_other_error_the_process_goes_on(job, error):
    fail(job, error)
    assert not failures.must_end()


def test_the_process_ends_after_the_task_and_not_before(job, monkeypatch):
    ended = []
    monkeypatch.setattr(failures, "end_process", lambda: ended.append(job.status))
    monkeypatch.setattr(tasks, "_end_child", lambda: None)

    def task_ends():
        with monkeypatch.context() as patch:
            patch.setattr(membership, "me", membership.Membership("generate@here", (), (), 0))
            tasks._end()
        return ended

    assert task_ends() == []
    fail(job, lost())
    assert ended == []
    assert task_ends() == [Status.QUEUED]


def test_a_process_that_is_no_workers_child_stays(job, monkeypatch):
    monkeypatch.setattr(failures, "end_process", lambda: pytest.fail("ended"))
    monkeypatch.setattr(membership, "me", None)
    fail(job, lost())
    tasks._end()


def test_loading_ahead_notices_it_too(job, monkeypatch):
    def explode(*_arguments):
        raise lost()

    monkeypatch.setattr(loading.engine_factory, "of_stage", explode)
    loading._load(Stage.GENERATE, job.render_request, "tiny")
    assert ahead.look(Stage.GENERATE, "tiny").state is ahead.State.FAILED
    assert failures.must_end()


def test_each_process_that_loses_the_card_waits_longer_than_the_one_before_until_a_stage_works(job, monkeypatch):
    waited = []

    class Stopping(threading.Event):
        def wait(self, timeout=None):
            waited.append(timeout)
            return False

    def next_child():
        monkeypatch.setattr(failures, "_is_lost", False)

    monkeypatch.setattr(failures, "FIRST_PAUSE_SECONDS", 1.0)
    for _ in range(9):
        next_child()
        failures.is_lost(lost())
        failures.pause(Stopping())
    assert waited == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    next_child()
    run(job, stage=Stage.PREPROCESS)
    failures.is_lost(lost())
    failures.pause(Stopping())
    assert waited[-1] == 1


def test_a_card_that_fails_while_memory_is_given_back_changes_nothing_about_the_stage(job, monkeypatch):
    def explode(*_arguments):
        raise lost()

    monkeypatch.setattr(runner.sharing, "after_stage", explode)
    run(job, stage=Stage.PREPROCESS)
    assert job.stage_runs.get().status == RunStatus.DONE
    assert failures.must_end()


def test_a_card_in_exclusive_mode_is_not_called_broken(job, monkeypatch):
    """CUDA says only that it is busy; the driver knows why."""
    card = nvml.Card("GPU-1", used=GIB, total=8 * GIB, busy=0, mode=pynvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS)
    nvml.install(monkeypatch, [card])
    for _ in range(MAX_CARD_FAILURES):
        fail(job, torch.AcceleratorError("CUDA error: CUDA-capable device(s) is/are busy or unavailable"))
    assert (job.status, job.error_id) == (Status.FAILED, "card-exclusive")
    assert "exclusive mode" in job.error_text
    assert "doctor" in job.error_text
    assert "restart" not in job.error_text

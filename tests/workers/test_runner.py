"""A stage is claimed once, reported truthfully, cancelled at the next step, and handed back when a worker stops."""

import errno
import threading
import time
from functools import partial

import numpy as np
import pytest
from celery.exceptions import Ignore
from django.db import OperationalError

from generation.domain import storage_keys
from generation.domain.errors import RenderError
from generation.domain.states import MAX_ATTEMPTS, RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import claims, services, units
from tests.factories import JobFactory
from workers import cards, frame_store, outages, runner, tasks
from workers.encoding import live
from workers.engines import registry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job(user):
    return JobFactory(user=user)


def run(job, work, stage=Stage.PREPROCESS):
    runner.run(stage, str(job.pk), job.run, 0, work)


def test_a_stage_that_works_is_recorded_with_what_it_wrote(job):
    run(job, lambda context: {"frames": 17})
    held = StageRun.objects.get()
    assert (held.status, held.output) == (RunStatus.DONE, {"frames": 17})
    assert held.ended_at >= held.started_at


def test_a_second_delivery_of_the_same_message_does_nothing(job):
    run(job, lambda context: {})
    with pytest.raises(Ignore):
        run(job, lambda context: pytest.fail("done twice"))


def test_an_error_with_a_text_reaches_the_person_word_for_word(job):
    def work(context):
        raise RenderError("model-missing", model="Wan")

    with pytest.raises(Ignore):
        run(job, work)
    job.refresh_from_db()
    assert job.status == Status.FAILED
    assert job.error_text == RenderError("model-missing", model="Wan").text


@pytest.mark.parametrize(
    ("error", "has_card", "reason"),
    [
        (RenderError("out-of-memory", model="Wan"), True, "out-of-memory"),
        (RenderError("out-of-memory", model="Wan"), False, "machine-out-of-memory"),
        (MemoryError(), True, "machine-out-of-memory"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True, "machine-out-of-memory"),
    ],
)
def test_a_stage_that_runs_out_of_memory_is_tried_again_and_then_says_whose_it_was(
    job, monkeypatch, error, has_card, reason
):
    """Other programs may leave more room the next time; what this process still holds is let go."""
    released = []
    monkeypatch.setattr(registry, "release_all", released.append)
    monkeypatch.setattr(cards, "is_card", lambda: has_card)
    monkeypatch.setattr(runner._backoff, "pause", lambda _stopping: None)

    def work(context):
        raise error

    for attempt in range(1, MAX_ATTEMPTS + 1):
        with pytest.raises(Ignore):
            run(job, work)
        job.refresh_from_db()
        assert len(released) == attempt
        assert (job.status == Status.QUEUED) == (attempt < MAX_ATTEMPTS)
    assert (job.status, job.error_id) == (Status.FAILED, reason)
    assert set(job.stage_runs.values_list("status", "error")) == {(RunStatus.LOST, reason)}
    assert str(MAX_ATTEMPTS) in job.error_text or reason == "out-of-memory"


def test_any_other_error_is_one_neutral_sentence_and_a_traceback_for_the_operator(job, caplog):
    def work(context):
        raise ZeroDivisionError("secret detail")

    with pytest.raises(Ignore):
        run(job, work)
    job.refresh_from_db()
    assert job.error_id == "internal"
    assert "secret detail" not in job.error_text
    assert "secret detail" in job.traceback
    assert job.error_context["reference"] in caplog.text


def test_cancelling_stops_the_stage_at_its_next_step(job):
    steps = []

    def work(context):
        for step in range(10):
            steps.append(step)
            context.on_step(step, 10)
            if step == 3:
                services.cancel(job)

    with pytest.raises(Ignore):
        run(job, work)
    assert steps == [0, 1, 2, 3, 4]
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.CANCELLED, "")


def test_what_a_stage_wrote_after_the_cancellation_is_deleted(job):
    def work(context):
        services.cancel(job)
        frame_store.write_chunk(job.pk, Stage.GENERATE, 0, np.zeros((1, 8, 8, 3), np.uint8), 8)
        return {}

    with pytest.raises(Ignore):
        run(job, work)
    assert list(frame_store.iter_jobs()) == []


def test_a_stage_that_was_taken_over_neither_ends_the_job_nor_deletes_its_frames(job):
    def work(context):
        services.requeue(job, 1)
        frame_store.write_chunk(job.pk, Stage.GENERATE, 0, np.zeros((1, 8, 8, 3), np.uint8), 8)
        return {}

    with pytest.raises(Ignore):
        run(job, work)
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.QUEUED, 2)
    assert frame_store.exists(storage_keys.chunk(job.pk, Stage.GENERATE, 0))


def test_a_worker_that_is_to_stop_hands_its_job_back_at_the_next_step(job, monkeypatch):
    stopping = threading.Event()
    monkeypatch.setattr(runner, "_stopping", stopping)

    def work(context):
        context.on_step(0, 10)
        runner.stop_soon()
        context.on_step(1, 10)

    with pytest.raises(Ignore):
        run(job, work)
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.QUEUED, 2)
    assert StageRun.objects.get().status == RunStatus.CANCELLED


def test_a_worker_that_is_to_stop_without_the_database_leaves_a_note(job, monkeypatch):
    monkeypatch.setattr(runner, "_stopping", threading.Event())

    def away(*_arguments):
        raise OperationalError("the database system is shutting down")

    def work(context):
        runner.stop_soon()
        monkeypatch.setattr(claims, "release", away)
        context.on_step(1, 10)

    with pytest.raises(Ignore):
        run(job, work)
    assert claims.was_handed_back(StageRun.objects.get(status=RunStatus.RUNNING).pk)


def test_the_heartbeat_goes_on_while_a_single_step_takes_long(job, settings):
    settings.HEARTBEAT_SECONDS = 0.05
    seen = set()

    def work(context):
        for _ in range(100):
            seen.add(StageRun.objects.get().heartbeat_at)
            if len(seen) > 2:
                return {}
            threading.Event().wait(0.05)
        pytest.fail("no heartbeat")

    run(job, work)


def test_progress_and_preview_are_kept_and_events_are_throttled(job, monkeypatch):
    events = []
    monkeypatch.setattr("generation.queue.events.publish", lambda user_id, job_id: events.append(job_id))

    def work(context):
        before, start = len(events), time.monotonic()
        for step in range(1, 101):
            context.on_step(step, 100, partial(np.full, (4, 8, 8, 3), step, np.uint8))
        assert 1 <= len(events) - before <= 3 + (time.monotonic() - start) / runner.EVENT_SECONDS
        assert (StageRun.objects.get().done, StageRun.objects.get().total) == (100, 100)
        return {}

    run(job, work)
    job.refresh_from_db()
    assert job.previewed_at > 0
    assert frame_store.read_preview(job.pk)[8:12] == b"WEBP"


def test_previews_are_computed_only_for_steps_that_are_shown(job):
    computed = []

    def preview(step):
        computed.append(step)
        return np.full((4, 8, 8, 3), step, np.uint8)

    def work(context):
        start = time.monotonic()
        for step in range(1, 101):
            context.on_step(step, 100, partial(preview, step))
        assert 1 <= len(computed) <= 2 + (time.monotonic() - start) / live.PREVIEW_SECONDS
        return {}

    run(job, work)
    assert computed[0] == 1, "the first one at once"
    assert frame_store.read_preview(job.pk)[8:12] == b"WEBP"


def test_pages_are_told_of_a_preview_once_it_can_be_seen(job, monkeypatch):
    seen = []

    def look(_user_id, job_id):
        seen.append((Job.objects.get(pk=job_id).previewed_at > 0, frame_store.read_preview(job_id) is not None))

    def work(context):
        context.on_step(1, 2, lambda: np.zeros((4, 8, 8, 3), np.uint8))
        return {}

    monkeypatch.setattr("generation.queue.events.publish", look)
    run(job, work)
    assert seen[-1] == (True, True)


def test_a_stage_is_done_only_once_its_last_preview_is_stored(job, monkeypatch):
    """Who deletes the clip then deletes that preview, too; nothing would delete one that came later."""
    finish, write, moves, go_on = claims.finish, frame_store.write_preview, [], threading.Event()

    def slow(*args):
        go_on.wait(0.3)
        moves.append("stored")
        return write(*args)

    monkeypatch.setattr(frame_store, "write_preview", slow)
    monkeypatch.setattr(claims, "finish", lambda *args: (moves.append("done"), go_on.set(), finish(*args))[-1])

    def work(context):
        context.on_step(1, 2, lambda: np.zeros((4, 8, 8, 3), np.uint8))
        return {}

    run(job, work)
    assert moves == ["stored", "done"]


def test_a_preview_that_cannot_be_stored_costs_no_clip(job, monkeypatch):
    def refuse(*_args):
        raise ConnectionError("storage is away")

    monkeypatch.setattr("workers.frame_store.write_preview", refuse)

    def work(context):
        context.on_step(1, 2, lambda: np.zeros((4, 8, 8, 3), np.uint8))
        return {}

    run(job, work)
    assert StageRun.objects.get().status == RunStatus.DONE


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionError("a service is away"), ["service-waiting"]),
        (OSError(errno.ENOSPC, "No space left on device"), ["disk-full"]),
        (OSError(errno.EROFS, "Read-only file system"), ["disk-read-only"]),
        (OperationalError("the database system is shutting down"), []),
    ],
)
def test_an_outage_gives_the_stage_back_without_an_attempt_and_says_what_is_missing(job, monkeypatch, error, reason):
    monkeypatch.setattr(outages, "FIRST_PAUSE_SECONDS", 0.01)

    def work(context):
        raise error

    with pytest.raises(Ignore):
        run(job, work, Stage.GENERATE)
    job.refresh_from_db()
    assert (job.status, job.run) == (Status.QUEUED, 2)
    assert StageRun.objects.get().status == RunStatus.CANCELLED
    assert [warning["id"] for warning in job.warnings] == reason
    run(job, lambda context: {})
    job.refresh_from_db()
    assert job.warnings == []


def test_an_error_that_does_not_pass_is_no_outage(job):
    def work(context):
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(Ignore):
        run(job, work)
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, "internal")


def test_a_worker_pauses_longer_after_every_outage(monkeypatch):
    waits = []
    monkeypatch.setattr(threading.Event, "wait", lambda _event, seconds: waits.append(seconds))
    backoff = outages.Backoff()
    for _ in range(7):
        backoff.pause(threading.Event())
    backoff.reset()
    backoff.pause(threading.Event())
    assert waits == [1, 2, 4, 8, 16, 30, 30, 1]


def test_the_sweep_deletes_frames_that_no_job_needs_and_no_others(user):
    chunk = np.zeros((1, 8, 8, 3), np.uint8)
    kept = [JobFactory(user=user, status=status) for status in (Status.QUEUED, Status.RUNNING)]
    fresh = JobFactory(user=user)
    services.fail(fresh, 1, "internal", {})
    done = JobFactory(user=user, status=Status.DONE)
    for job in (*kept, fresh, done):
        frame_store.write_chunk(job.pk, Stage.GENERATE, 0, chunk, 8)
    frame_store.write_chunk("00000000-0000-0000-0000-000000000000", Stage.GENERATE, 0, chunk, 8)
    assert tasks.prune() == 2
    assert set(frame_store.iter_jobs()) == {str(job.pk) for job in (*kept, fresh)}


def test_a_failed_jobs_frames_go_after_a_day_and_a_retry_starts_anew(user, settings):
    job = JobFactory(user=user)
    run(job, lambda context: {})
    services.fail(Job.objects.get(), 1, "internal", {})
    frame_store.write_chunk(job.pk, Stage.GENERATE, 0, np.zeros((1, 8, 8, 3), np.uint8), 8)
    settings.FAILED_FRAMES_KEPT_HOURS = 0
    assert tasks.prune() == 1
    assert units.done(job) == set()


def test_the_clean_up_spares_a_job_that_was_started_again(user):
    job = JobFactory(user=user, status=Status.CANCELLED)
    frame_store.write_chunk(job.pk, Stage.GENERATE, 0, np.zeros((1, 8, 8, 3), np.uint8), 8)
    services.retry(job)
    tasks.discard(str(job.pk))
    assert list(frame_store.iter_jobs()) == [str(job.pk)]

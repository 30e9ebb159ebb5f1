"""A storage that is away for a while costs a clip no attempt, no work and no wrong reason."""

import threading
import time

import numpy as np
import pytest
from celery.exceptions import Ignore

from auravideo.core.storage import StorageUnavailable
from generation.domain import storage_keys
from generation.domain.errors import RenderError
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import claims, services
from tests.factories import JobFactory
from tests.rigs.faulty_wire import FaultyWire
from workers import frame_store, outages, runner, stages, tasks
from workers.encoding import parts

pytestmark = pytest.mark.django_db(transaction=True)
FRAMES = np.zeros((2, 8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def wire(s3_server):
    wire = FaultyWire(s3_server.port).start()
    yield wire
    wire.stop()


@pytest.fixture
def away(use_s3, wire, monkeypatch):
    """Put the storages behind the wire, impatiently; return it."""
    monkeypatch.setattr(outages, "FIRST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(outages, "CHECK_SECONDS", 0.1)
    use_s3(endpoint_url=wire.endpoint, attempts=1, read_timeout=1, connect_timeout=1)
    return wire


@pytest.fixture
def job(user):
    return JobFactory(user=user, warnings=[{"id": "words-unknown", "model": "tiny", "words": "dragon"}])


def run(job, work, stage=Stage.GENERATE):
    runner.run(stage, str(job.pk), job.run, 0, work)


def warnings(job) -> list[str]:
    return [warning["id"] for warning in Job.objects.get(pk=job.pk).warnings]


@pytest.mark.parametrize("kind", ["hang", "unavailable", "reset"])
def test_frames_in_memory_are_stored_as_soon_as_the_storage_works_again(away, job, kind, monkeypatch):
    computed, seen, release = [], [], threading.Event()
    say_waiting = services.say_waiting

    def write():
        return frame_store.write_chunk(job.pk, Stage.GENERATE, 0, FRAMES, 8)

    def work(context):
        computed.append(1)
        context.patiently(write)
        return {}

    def look(job, reason=""):
        """Read in the stage's own thread: a second one would lock the tests' SQLite database against it."""
        say_waiting(job, reason)
        if reason:
            seen.extend([*warnings(job), StageRun.objects.get().status])
            release.set()

    monkeypatch.setattr(services, "say_waiting", look)
    with away.broken(kind, method="PUT"):
        runs = threading.Thread(target=in_thread(lambda: run(job, work)))
        runs.start()
        assert release.wait(60), "the page never said what the clip waits for"
    runs.join(30)
    assert (computed, seen) == ([1], ["words-unknown", "storage-waiting", RunStatus.RUNNING])
    assert StageRun.objects.get().status == RunStatus.DONE
    assert warnings(job) == ["words-unknown"]
    assert frame_store.exists(storage_keys.chunk(job.pk, Stage.GENERATE, 0))


def in_thread(work):
    """Close the thread's database connection at its end."""
    from django.db import connection

    def wrapped():
        try:
            work()
        finally:
            connection.close()

    return wrapped


def test_cancelling_frees_a_worker_that_waits(away, job):
    def work(context):
        context.patiently(lambda: refuse_and(lambda: services.cancel(job)))

    start = time.monotonic()
    with away.broken("unavailable"), pytest.raises(Ignore):
        run(job, work)
    assert time.monotonic() - start < 30
    assert Job.objects.get().status == Status.CANCELLED


def test_a_worker_that_stops_hands_a_waiting_clip_back(away, job, monkeypatch):
    monkeypatch.setattr(runner, "_stopping", threading.Event())

    def work(context):
        context.patiently(lambda: refuse_and(runner.stop_soon))

    with pytest.raises(Ignore):
        run(job, work)
    assert (Job.objects.get().status, Job.objects.get().run) == (Status.QUEUED, 2)


def refuse_and(act):
    act()
    raise StorageUnavailable("away")


def test_after_too_long_the_reason_is_the_storage_and_not_the_worker(away, job, settings, caplog):
    settings.STORAGE_PATIENCE_SECONDS = 0.2

    def work(context):
        context.patiently(lambda: frame_store.write_chunk(job.pk, Stage.GENERATE, 0, FRAMES, 8))

    with away.broken("unavailable"), pytest.raises(Ignore):
        run(job, work)
    job.refresh_from_db()
    assert (job.status, job.error_id) == (Status.FAILED, "storage-unavailable")
    assert job.error_text == RenderError("storage-unavailable").text
    assert away.endpoint in job.traceback
    assert "SlowDown" in caplog.text


def test_a_wait_leaves_no_attempt_behind(away, job):
    failures = [StorageUnavailable("away")] * 2

    def move():
        if failures:
            raise failures.pop()
        return {}

    run(job, lambda context: context.patiently(move))
    assert [held.status for held in StageRun.objects.all()] == [RunStatus.DONE]
    assert Job.objects.get().run == 1


def test_the_clip_is_done_even_if_its_frames_cannot_be_deleted(away, job, caplog):
    frame_store.write_chunk(job.pk, Stage.GENERATE, 0, FRAMES, 8)
    Job.objects.update(status=Status.CANCELLED)
    with away.broken("unavailable"):
        tasks.discard(str(job.pk))
    assert "`prune` will" in caplog.text
    tasks.discard(str(job.pk))
    assert list(frame_store.iter_jobs()) == []


def test_a_page_shows_a_blank_preview_while_the_storage_is_away(away, job, client):
    client.force_login(job.user)
    frame_store.write_preview(job.pk, b"picture")
    with away.broken("unavailable"):
        assert client.get(f"/jobs/{job.pk}/preview/").status_code == 302
    assert client.get(f"/jobs/{job.pk}/preview/").content == b"picture"


def test_a_preview_that_cannot_be_stored_holds_the_clip_up_once(away, job):
    def work(context):
        for step in range(5):
            context._told = 0
            context.on_step(step, 5, lambda: np.zeros((2, 8, 8, 3), np.uint8))
        return {}

    before = len(away.requests)
    with away.broken("hang", method="PUT"):
        run(job, work)
    assert [method for method, _path in away.requests[before:]].count("PUT") == 1


def test_every_transfer_of_a_stage_waits(away, job):
    plan = job.render_plan
    chunk, before = plan.chunks[0], plan.stages[plan.stages.index(Stage.UPSCALE) - 1]
    context = runner.Context(claims.claim(job.pk, 1, Stage.UPSCALE, 0, "worker"))
    clip = np.zeros((chunk.frames, 8, 8, 3), np.uint8)
    frame_store.write_chunk(job.pk, before, 0, clip, 8)
    with away.broken("unavailable", times=1):
        assert len(stages._input(context)) == chunk.frames
    with away.broken("unavailable", times=1):
        assert stages._output(context, clip) == {"frames": chunk.frames}
    with away.broken("unavailable", times=1):
        assert len(next(stages._finished_frames(context, [chunk]))) == chunk.frames
    with away.broken("unavailable", times=1):
        assert stages._ready_part(context, parts.spans(plan)[0]) is None

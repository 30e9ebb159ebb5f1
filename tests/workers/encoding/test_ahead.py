"""A clip's finished seconds are encoded while the rest of it is upscaled; without that, it is the same video."""

import json
from datetime import UTC, datetime
from functools import partial

import numpy as np
import pytest
from celery.exceptions import Ignore
from django.core.files.storage import storages

from generation.domain import storage_keys
from generation.domain.stages import CPU
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job
from generation.queue import broker, services
from tests.factories import JobFactory, a_request
from tests.workers.media.clips import draw_clip
from workers import frame_store, runner, tasks
from workers.encoding import ahead, parts

pytestmark = pytest.mark.django_db(transaction=True)

LOWEST = 9
QUEUED = datetime(2026, 5, 1, tzinfo=UTC)  # is in the file
CHUNKS = 5  # of a second each: segments of 2, 2 and 1


@pytest.fixture
def new_job(user):
    """Return a function that makes a job which is being upscaled, with all its frames, but nothing done."""

    def make(**changes):
        asked = {"size": "128x128", "seconds": CHUNKS, "fps": 8, "format": "mp4", **changes}
        job = JobFactory(user=user, request=a_request(**asked), seed=7, queued_at=QUEUED, status=Status.RUNNING)
        plan = job.render_plan
        assert [len(span.chunks) for span in parts.spans(plan)] == [2, 2, 1]
        for chunk in plan.chunks:
            clip = draw_clip(plan.base_width * plan.upscale, plan.base_height * plan.upscale, chunk.frames)
            shade = np.uint8(20 * chunk.index)
            frame_store.write_chunk(job.pk, plan.stages[-2], chunk.index, clip - shade, plan.fps)
        return job

    return make


@pytest.fixture
def job(new_job):
    return new_job()


def finish(job, *chunks, stage=Stage.UPSCALE):
    """Let chunks be finished by a worker, in this order."""
    for chunk in chunks:
        runner.run(stage, str(job.pk), job.run, chunk, lambda context: {})


def asked():
    """Return (job, run, segment) of what was asked for, all at the lowest priority."""
    found = []
    for raw in broker.connection().lrange(f"{CPU}:{LOWEST}", 0, -1):
        headers = json.loads(raw)["headers"]
        assert headers["task"] == ahead.TASK
        found.append(headers["argsrepr"].strip("()").replace("'", "").split(", "))
    return [(job, int(run), int(index)) for job, run, index in reversed(found)]


def delete_chunks(job, *chunks):
    for chunk in chunks:
        storages["frames"].delete(storage_keys.chunk(job.pk, Stage.UPSCALE, chunk))


def assemble(job):
    """Return the bytes of the video."""
    tasks.assemble(str(job.pk), job.run, 0)
    job.refresh_from_db()
    assert job.status == Status.DONE
    with storages["default"].open(storage_keys.video_files(job.pk, job.request["format"])["video"]) as file:
        return file.read()


def test_a_segment_is_asked_for_when_its_last_chunk_is_done(job):
    finish(job, 1)
    assert asked() == []
    finish(job, 0)
    assert asked() == [(str(job.pk), job.run, 0)]
    assert broker.standing_messages() == set(), "the sweeper would take it for the clip's own message"


def test_the_last_chunk_asks_for_nothing_since_the_last_stage_follows_at_once(job):
    finish(job, 0, 1, 4, 2)
    assert asked() == [(str(job.pk), job.run, 0), (str(job.pk), job.run, 2)]
    finish(job, 3)
    assert len(asked()) == 2


def test_only_the_stage_before_the_last_asks(job):
    finish(job, 0, 1, stage=Stage.INTERPOLATE)
    assert asked() == []


def test_a_gif_has_one_palette_for_all_its_frames_so_it_is_encoded_at_once(new_job):
    finish(new_job(format="gif"), 0, 1)
    assert asked() == []


def test_that_nobody_can_be_asked_changes_nothing(job, settings):
    settings.REDIS_BROKER_URL = "redis://127.0.0.1:1"
    finish(job, 0, 1)
    assert job.stage_runs.filter(status=RunStatus.DONE).count() == 2


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_the_video_is_the_same_whoever_encoded_which_segment(new_job, format):
    videos = []
    for segments in ((), (0,), (1, 2), (0, 1, 2)):
        job = new_job(format=format)
        for index in segments:
            tasks.encode_ahead(str(job.pk), job.run, index)
        videos.append(assemble(job))
    assert len(set(videos)) == 1


def test_what_was_encoded_ahead_is_not_encoded_again(job):
    tasks.encode_ahead(str(job.pk), job.run, 0)
    delete_chunks(job, 0, 1)
    assert assemble(job)


def test_a_segment_of_an_earlier_run_is_not_used(job):
    """Its frames may have been made again, by another card."""
    tasks.encode_ahead(str(job.pk), job.run, 0)
    assert services.requeue(job, job.run)
    job.refresh_from_db()
    delete_chunks(job, 0)
    with pytest.raises(Ignore):
        tasks.assemble(str(job.pk), job.run, 0)
    job.refresh_from_db()
    assert (job.status, job.run) != (Status.DONE, 2)


@pytest.mark.parametrize("lacks", ["a chunk", "its job", "its run"])
def test_what_cannot_be_encoded_is_left_to_the_last_stage(job, lacks):
    pk, run = job.pk, job.run
    if lacks == "a chunk":
        delete_chunks(job, 1)
    elif lacks == "its job":
        job.delete()
    else:
        run += 1
    tasks.encode_ahead(str(pk), run, 0)
    assert frame_store.read_segment(pk, 0) is None


@pytest.mark.parametrize("end", [Status.CANCELLED, Status.DONE])
def test_nothing_is_left_of_a_clip_that_ended_meanwhile(job, monkeypatch, end):
    make = parts.make

    def ended(*args):
        part = make(*args)
        Job.objects.filter(pk=job.pk).update(status=end)
        frame_store.delete_job(job.pk)
        return part

    monkeypatch.setattr(parts, "make", ended)
    tasks.encode_ahead(str(job.pk), job.run, 0)
    assert frame_store.job_bytes(job.pk) == 0


def test_a_failed_clip_keeps_its_frames_for_the_next_run(job, monkeypatch):
    make = parts.make
    fail = partial(Job.objects.filter(pk=job.pk).update, status=Status.FAILED)
    monkeypatch.setattr(parts, "make", lambda *args: (make(*args), fail())[0])
    tasks.encode_ahead(str(job.pk), job.run, 0)
    assert frame_store.exists(storage_keys.chunk(job.pk, Stage.UPSCALE, 0))

"""A rig: crash a call of the site at every line of ours that it runs, and repair each crash as the site would.

For a site's shell (tests/site.py), beside no workers: the real database, storage and Redis, and for each line a process
that dies of a SIGKILL. tests/rigs/worker_faults.py does the same to workers that run.
"""

import os
import signal
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import UUID

from celery import current_app
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connections

from accounts.models import User
from gallery import lifecycle
from gallery.models import Video
from generation.domain import storage_keys
from generation.domain.states import RunStatus, Stage, Status
from generation.models import Job, StageRun
from generation.queue import broker, claims, recovery, services
from generation.requests import available
from generation.requests.request import parse
from tests.rigs.worker_faults import Lines
from workers import watchdog

CLIP = {"prompt": "a red heart", "seconds": 1, "fps": 16, "size": "256x256"}
PICTURE = {"size": 4, "width": 256, "height": 256, "frames": 16, "fps": 16}


class Call:
    """A call on a new clip, and what must be true after it crashed and was repaired."""

    stage = Stage.ASSEMBLE

    def __init__(self) -> None:
        user, _made = User.objects.get_or_create(username="steps", email="steps@example.org")
        self.job = services.submit(user, parse(CLIP, available.catalogue(), available.limits()))
        self.held = claim(self.job.pk, self.stage)

    def make(self) -> None:
        raise NotImplementedError

    def repair(self) -> None:
        """Do what the parent of the dead process does, or the next sweep."""
        held = claims.running(self.job.pk, 1, self.stage, 0)
        if held is not None:
            watchdog.bury(held, None)

    def check(self) -> None:
        """Render on, and expect one video."""
        self.job.refresh_from_db()
        if self.job.status != Status.DONE:
            run = self.job.run
            done = StageRun.objects.filter(job=self.job, stage=self.stage, status=RunStatus.DONE).exists()
            assert run == (1 if done else 2), f"run {run}, {self.stage} done: {done}"
            held = claim(self.job.pk, Stage.ASSEMBLE, run)
            assert claims.finish(held, store(self.job.pk))
        self.job.refresh_from_db()
        assert self.job.status == Status.DONE
        assert Video.objects.filter(job=self.job).count() == 1
        assert self.job.stage_runs.filter(status=RunStatus.LOST).count() <= 1
        assert not self.job.stage_runs.filter(status=RunStatus.RUNNING).exists()
        assert claims.claim(self.job.pk, self.job.run, self.stage, 0, "steps") is None, "it could be done again"


class Finish(Call):
    """The last stage of a clip ends, which makes its video."""

    def __init__(self) -> None:
        super().__init__()
        self.output = store(self.job.pk)

    def make(self) -> None:
        assert claims.finish(self.held, self.output)


class FinishEarlier(Call):
    """Another stage of a clip ends."""

    stage = Stage.GENERATE

    def make(self) -> None:
        assert claims.finish(self.held, {"frames": 9})


class Lose(Call):
    """The parent of a dead process gives its stage back, and dies of it as well."""

    stage = Stage.GENERATE

    def make(self) -> None:
        assert claims.lose(self.job.pk, 1, self.stage, 0)

    def repair(self) -> None:
        broker.connection().flushall()  # no message is left, of whatever run
        recovery.GRACE_SECONDS, before = -1, recovery.GRACE_SECONDS
        try:
            if claims.running(self.job.pk, 1, self.stage, 0):
                super().repair()
            elif Job.objects.get(pk=self.job.pk).run == 1:
                recovery.requeue_lost()
        finally:
            recovery.GRACE_SECONDS = before


class Release(Lose):
    """A worker that stops gives its stage back."""

    def make(self) -> None:
        assert claims.release(self.held)


class Purge(Call):
    """A video is deleted for good."""

    def __init__(self) -> None:
        super().__init__()
        assert claims.finish(self.held, store(self.job.pk))
        self.video = Video.objects.get(job=self.job)
        lifecycle.delete(self.video)

    def make(self) -> None:
        lifecycle.purge(Video.objects.get(pk=self.video.pk))

    def repair(self) -> None:
        assert lifecycle.purge_trash()

    def check(self) -> None:
        assert not Video.objects.filter(pk=self.video.pk).exists()
        assert not Job.objects.filter(pk=self.job.pk).exists()
        assert storages["default"].listdir(storage_keys.VIDEOS)[0].count(str(self.job.pk)) == 0


CALLS: dict[str, Callable[[], Call]] = {
    "finish": Finish, "finish-earlier": FinishEarlier, "lose": Lose, "release": Release, "purge": Purge,
}  # fmt: skip


def step_through(name: str, step: int = 1) -> int:
    """Crash a call at every `step`-th line, and expect all to be well in the end. Return how many lines it has."""
    for line in count(0, step):
        call = CALLS[name]()
        try:
            lines = _crash(call, line)
            call.repair()
            call.check()
            _expect_files_and_rows_to_agree()
        except Exception as error:
            raise AssertionError(f"{name} crashed at line {line}: {error!r}") from error
        if lines is not None:
            return lines
    raise AssertionError("endless")


def _crash(call: Call, line: int) -> int | None:
    """Make a call in a process that dies at a line. Return how many lines it has if that is fewer, else None."""
    connections.close_all()  # of which two processes must not share one
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _make(call, line, writer)
    os.close(writer)
    _pid, status = os.waitpid(child, 0)
    told = os.read(reader, 20)
    os.close(reader)
    assert told or status == signal.SIGKILL, f"the process ended with {status}, see the log"
    return int(told) if told else None


def _make(call: Call, line: int, writer: int) -> None:
    try:
        current_app._after_fork()
        lines = Lines(line)
        if line == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        with lines:
            call.make()
        os.write(writer, b"%d" % lines.count)
    finally:
        os._exit(1)


def claim(job: UUID, stage: Stage, run: int = 1) -> StageRun:
    held = claims.claim(job, run, stage, 0, f"steps@here:{os.getpid()}")
    assert held is not None, f"{stage} cannot be claimed"
    return held


def store(job: UUID) -> dict[str, Any]:
    """Store the files of a video, and return the output of its last stage."""
    keys = storage_keys.video_files(job, "mp4")
    return PICTURE | {kind: storages["default"].save(key, ContentFile(b"made")) for kind, key in keys.items()}


def _expect_files_and_rows_to_agree() -> None:
    storage = storages["default"]
    folders = storage.listdir(storage_keys.VIDEOS)[0]
    there = {f"{folder}/{name}" for folder in folders for name in storage.listdir(f"{storage_keys.VIDEOS}/{folder}")[1]}
    known = {str(file).removeprefix(f"{storage_keys.VIDEOS}/") for video in Video.objects.all() for file in video.files}
    assert there == known, there ^ known

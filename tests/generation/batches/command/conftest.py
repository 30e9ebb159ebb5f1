"""Fixtures for the tests of `manage.py batch`: a live worker, a crew that does its work, and the command itself."""

import io
import json
import signal
import subprocess
import sys
import time

import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError, call_command

from generation.batches import services as batches
from generation.batches import wait
from generation.domain.stages import QUEUES
from generation.domain.states import ACTIVE, Stage
from generation.models import Job
from generation.queue import broker, claims

WORKER = """
from auravideo.celery import app
app.conf.imports = ()  # it answers, and knows no task
app.worker_main(["worker", "--pool", "solo", "--without-gossip", "--without-mingle", "--loglevel", "ERROR"])
"""


@pytest.fixture(scope="module")
def _worker(_redis_server):
    """Start a real worker that consumes every queue but does nothing; the tests do its work themselves."""
    queues = set(QUEUES)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([sys.executable, "-c", WORKER], cwd=django_settings.BASE_DIR, **quiet)
    deadline = time.monotonic() + 120
    while broker.live_queues(0.5) != queues:
        assert process.poll() is None and time.monotonic() < deadline, "the worker did not come up"
    yield process
    process.kill()
    process.wait()


@pytest.fixture(autouse=True)
def _no_endless_waiting(monkeypatch):
    def refuse():
        raise AssertionError("the command waits for workers that are not there")

    monkeypatch.setattr(wait, "pause", refuse)


@pytest.fixture
def no_workers(_worker, monkeypatch):
    """Suspend the worker, so that no queue is answered."""
    monkeypatch.setattr(batches, "ANSWER_SECONDS", (0.1,))
    _worker.send_signal(signal.SIGSTOP)
    yield
    _worker.send_signal(signal.SIGCONT)


@pytest.fixture
def workers(_worker, monkeypatch):
    """Return a crew that finishes one job between two polls of the command."""
    crew = Crew()
    monkeypatch.setattr(wait, "pause", crew.work)
    return crew


class Crew:
    """A stand-in for the workers: does one job between two polls of the command."""

    def __init__(self) -> None:
        self.failing: set[int] = set()  # row numbers
        self.before: list = []  # callables to run first, one per poll
        self.looks = 0

    def work(self) -> None:
        self.looks += 1
        assert self.looks < 50, "the command waits for ever"
        if self.before:
            self.before.pop(0)()
            return
        job = Job.objects.filter(status__in=ACTIVE).order_by("row").first()
        if job is not None and job.row in self.failing:
            claims.fail(claims.claim(job.pk, job.run, Stage.GENERATE, 0, "worker"), "out-of-memory", {})
        elif job is not None:
            render(job)


def render(job) -> None:
    """Finish a job with a video whose bytes identify the job and run."""
    content = f"video of {job.request['prompt']}, run {job.run}".encode()
    name = storages["default"].save(f"videos/{job.pk}/video.{job.request['format']}", ContentFile(content))
    output = {"video": name, "poster": name, "preview": name, "size": len(content)}
    held = claims.claim(job.pk, job.run, Stage.ASSEMBLE, 0, "worker")
    assert claims.finish(held, {**output, "width": 256, "height": 256, "frames": 48, "fps": 24})


@pytest.fixture
def file(tmp_path):
    """Return a function that writes a batch file and returns its path."""

    def write(text: str | bytes, name: str = "prompts.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


@pytest.fixture
def run(user):
    """Return a function that runs the command and returns (exit code, stdout, stderr)."""

    def call(*args, user=user.username, **options):
        out, err = io.StringIO(), io.StringIO()
        code = 0
        try:
            call_command("batch", *map(str, args), user=user, stdout=out, stderr=err, no_color=True, **options)
        except CommandError as error:
            code = error.returncode
            err.write(f"{error}\n")
        except SystemExit as end:
            code = end.code
        return code, out.getvalue(), err.getvalue()

    return call


def manifest_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().split("\n") if line]


def files_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())

"""A killed process and a service that is away cost one line each, whatever Celery thinks of them."""

import logging
import subprocess
import sys

import pytest
from billiard.einfo import ExceptionInfo
from billiard.exceptions import WorkerLostError
from celery.beat import SchedulingError
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisAway

from auravideo.core.liveness import progress
from auravideo.core.liveness.progress import Sign
from auravideo.core.logs import lines
from auravideo.core.logs.noise import OneLine


@pytest.fixture
def written():
    """Return a function that logs, and returns the lines that result."""

    def write(name, text, *args, error=None):
        found = []
        handler = logging.Handler()
        handler.addFilter(OneLine())
        handler.emit = lambda record: found.append(lines.LineFormatter("text").format(record))
        logger = logging.Logger(name)
        logger.addHandler(handler)
        logger.error(text, *args, exc_info=error)
        return "\n".join(found).splitlines()

    return write


def raised(error):
    try:
        raise error
    except type(error):
        return sys.exc_info() if not isinstance(error, WorkerLostError) else ExceptionInfo().exc_info


def test_the_traceback_of_a_process_that_was_killed_is_dropped(written):
    lost = raised(WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL)"))
    assert written("celery.worker.request", "Task handler raised error: %r", lost[1], error=lost) == []


def test_structlog_too():
    """In a process of its own: its handlers are those of a worker."""
    code = """
import django, os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "auravideo.settings")
django.setup()
import structlog
from billiard.exceptions import WorkerLostError
logger = structlog.getLogger("django_structlog.celery.receivers")
for error in (WorkerLostError("killed"), ConnectionError("away"), ValueError("a bug")):
    logger.exception("task_failed", error=str(error), exception=error, exc_info=error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, *traceback = done.stderr.splitlines()
    assert "task_failed  [error=away]" in first
    assert "task_failed  [error=a bug]" in traceback[0]
    assert traceback[1:] == ["ValueError: a bug"]


@pytest.mark.parametrize("error", [RedisAway("Connection refused"), OperationalError("away"), TimeoutError("late")])
def test_a_service_that_is_away_is_one_line(written, error):
    (line,) = written("celery.beat", "Message Error: %s\n%s", error, ["a stack"], error=raised(error))
    assert line.endswith(f"ERROR celery.beat: Message Error: {error}")


def test_a_sentence_of_several_lines_is_one(written):
    (line,) = written(
        "celery.worker.consumer.consumer", "consumer: Cannot connect to %s.\n%s\n", "redis", "Trying again"
    )
    assert line.endswith("consumer: Cannot connect to redis. Trying again")


def test_what_celery_6_will_change_is_of_no_use_to_an_operator(written):
    assert written("py.warnings", "%s", "consumer.py:427: CPendingDeprecationWarning: \nIn Celery 5.1 we ...") == []
    assert written("py.warnings", "%s", "models.py:1: RuntimeWarning: naive datetime") != []


def test_what_diffusers_warns_of_without_a_reason_is_dropped(written):
    text = "There are modules in AutoencoderKL that should be kept in float32: %s. Casting directly"
    assert written("diffusers.models.modeling_utils", text, []) == []
    assert len(written("diffusers.models.modeling_utils", text, ["norm"])) == 1


def test_bugs_keep_their_traceback(written):
    for error in (ValueError("a bug"), SchedulingError("a bug")):
        assert len(written("celery.worker.request", "Task handler raised error: %r", error, error=raised(error))) > 2


def test_our_own_lines_stay_as_they_are(written):
    assert len(written("workers.runner", "It failed", error=raised(RedisAway("away")))) > 2


def test_a_process_that_exits_is_named_only_if_it_was_idle(written, monkeypatch):
    monkeypatch.setattr(progress, "signs", lambda: [Sign(11, 5, 99.0)])
    text = "Process %r pid:%r exited with %r"
    assert written("multiprocessing", text, "ForkPoolWorker-1", 11, "signal 9 (SIGKILL)") == []
    (line,) = written("multiprocessing", text, "ForkPoolWorker-1", 12, "signal 9 (SIGKILL)")
    assert line.endswith("ERROR multiprocessing: Process 'ForkPoolWorker-1' pid:12 exited with 'signal 9 (SIGKILL)'")

"""Keeps to one line what Celery and its libraries log about a process that was killed, or a service that is away.

Neither is a bug, so a traceback through their code tells nothing. Of a process that was killed at work, our own line
tells more (workers/tasks.py): the job, its run and stage. A process that was idle keeps theirs.

What diffusers warns of without a reason is dropped.

The same goes for requests that Django refuses: for a host that is not ours, or with too many fields. Anybody can send
them, so they are no errors either.
"""

import logging
from typing import Any

from auravideo.core.liveness import progress

_LIBRARIES = ("celery", "kombu", "amqp", "multiprocessing", "django_structlog.celery")
_OF_STRUCTLOG = ("exc_info", "exception")  # the keys of an exception
_REFUSED = "django.security."  # whose requests anybody can send
_MOST_CHARACTERS = 300  # of what a client may have sent
_ABOUT_CELERY_6 = "CPendingDeprecationWarning"  # ten lines whenever the broker is away
_NO_MODULES = "should be kept in float32: []"  # diffusers, about every model that has none
_SERVICES = ("redis", "kombu", "amqp")  # whose exceptions say that the broker is away


class OneLine(logging.Filter):
    """Shortens records of these libraries, or drops them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record is logged at all."""
        if record.name == "py.warnings" and _ABOUT_CELERY_6 in record.getMessage():
            return False
        if record.name.startswith("diffusers.") and _NO_MODULES in record.getMessage():
            return False
        if record.name.startswith(_REFUSED):
            _shorten(record)
            return True
        if not any(record.name == name or record.name.startswith(f"{name}.") for name in _LIBRARIES):
            return True
        error = _error_of(record)
        if type(error).__name__ == "WorkerLostError" or _is_busy(record):
            return False
        if error is not None and not _is_outage(error):
            return True
        record.exc_info = record.exc_text = None
        if isinstance(record.msg, dict):
            record.msg = {key: value for key, value in record.msg.items() if key not in _OF_STRUCTLOG}
        else:
            text = record.getMessage().strip()
            # What follows the first line of an error is a stack, too.
            record.msg, record.args = " ".join((text.splitlines()[0] if error and text else text).split()), ()
        return True


def _shorten(record: logging.LogRecord) -> None:
    """Make a record one line without a traceback, and a warning at most."""
    record.exc_info = record.exc_text = None
    record.msg, record.args = " ".join(record.getMessage().split())[:_MOST_CHARACTERS], ()
    if record.levelno > logging.WARNING:
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)


def _error_of(record: logging.LogRecord) -> BaseException | None:
    """Return the exception that a record is about; None if it is about none."""
    found: Any = [record.msg.get(key) for key in _OF_STRUCTLOG] if isinstance(record.msg, dict) else record.exc_info
    error = next((one for one in found or () if isinstance(one, BaseException)), None)
    return getattr(error, "exc", error)  # billiard wraps it


def _is_outage(error: BaseException) -> bool:
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return isinstance(error, OSError) or not modules.isdisjoint(_SERVICES)


def _is_busy(record: logging.LogRecord) -> bool:
    """Return whether a record says that a process has exited that was at work: (name, process ID, status)."""
    if record.name != "multiprocessing" or not isinstance(record.args, tuple) or len(record.args) != 3:
        return False
    return record.args[1] in {sign.pid for sign in progress.signs()}

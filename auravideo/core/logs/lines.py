"""The format of log lines, of every process and of the libraries in it: for people, or one JSON object a line.

structlog renders them; the standard library's loggers stay what the code uses.
"""

import json
import logging
import time
from datetime import UTC, datetime
from typing import Any

import structlog
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

from auravideo.core.logs.redaction import redact

OURS = ("auravideo", "accounts", "generation", "gallery", "workers", "django_structlog")
_ORDER = ("job", "run", "stage", "chunk", "video", "batch", "request", "code", "request_id", "user_id")
TEXT, JSON = "text", "json"
FORMATS: tuple[str, ...] = (TEXT, JSON)


SIGN_INS = "accounts.sign_ins"  # the logger of the sign-in log, which fail2ban reads


def config(format: str, level: str, sign_ins: str = "") -> dict[str, Any]:
    """Return Django's LOGGING: `format` is one of FORMATS, `level` the lowest level of our own loggers.

    `sign_ins`: a file that gets the lines of SIGN_INS as well, whatever the level and the format; "" for none.
    """
    found = _config(format, level)
    if sign_ins:
        handler = {"class": "logging.handlers.WatchedFileHandler", "filename": sign_ins, "formatter": "sign_in"}
        found["formatters"]["sign_in"] = {"()": "auravideo.core.logs.lines.SignInFormatter"}
        found["handlers"]["sign_ins"] = {**handler, "delay": True, "encoding": "ascii"}
        found["loggers"][SIGN_INS] = {"level": "INFO", "handlers": ["sign_ins"]}
    return found


def _config(format: str, level: str) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": "auravideo.core.logs.lines.LineFormatter", "format": format}},
        "filters": {"one_line": {"()": "auravideo.core.logs.noise.OneLine"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["one_line"]}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            **{name: {"level": level} for name in OURS},
            "multiprocessing": {"level": "WARNING", "handlers": ["console"]},  # billiard's, which passes nothing on
            # django_structlog logs each of these with its request's IDs.
            "django.request": {"level": "CRITICAL"},
        },
    }


class LineFormatter(ProcessorFormatter):
    """Formats the records of both structlog's and the standard library's loggers, without secrets."""

    def __init__(self, format: str) -> None:
        last = JSONRenderer(ensure_ascii=False, default=str) if format == JSON else _render_text
        super().__init__(
            processors=[ProcessorFormatter.remove_processors_meta, structlog.processors.format_exc_info, last],
            foreign_pre_chain=SHARED,
        )

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class SignInFormatter(logging.Formatter):
    """Formats a line of the sign-in log: the time in UTC, then the event. Without the IDs of the request."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")

    def converter(self, seconds: float | None) -> time.struct_time:
        return time.gmtime(seconds)


# Applied to every record, whoever logs it. merge_contextvars adds the IDs.
SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def configure_structlog() -> None:
    """Make structlog's own loggers (django_structlog's) write through the standard library's handlers."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *SHARED,
            ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _render_text(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return `time LEVEL logger: event  job=… run=…`, then the traceback, if any."""
    time, level, name = (event.pop(key, "") for key in ("timestamp", "level", "logger"))
    text, traceback, stack = (event.pop(key, "") for key in ("event", "exception", "stack"))
    facts = " ".join(f"{key}={event[key]}" for key in sorted(event, key=_place))
    head = f"{time} {level.upper()} {name}: {text}"
    return "\n".join(filter(None, [f"{head}  [{facts}]" if facts else head, traceback, stack]))


def _place(key: str) -> tuple[int, str]:
    """Return where an ID stands on the line: the job first, anything else after the known ones."""
    return (_ORDER.index(key) if key in _ORDER else len(_ORDER), key)


def own(process: str, text: str, format: str) -> str:
    """Return a sentence of the supervisor itself: for people as it is, in JSON as one object."""
    return relay(process, text, format) if format == JSON else text


def relay(process: str, line: str, format: str) -> str:
    """Return a line that one of the site's processes wrote, with the name of the process.

    In JSON, what a library prints past the logging becomes an object too, so that a collector can parse every line.
    """
    line = line.rstrip("\n")
    if format != JSON:
        return f"{process:<12}| {line}"
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        entry = {"event": redact(line), "timestamp": now, "level": "info", "logger": "stdout"}
    return json.dumps({**entry, "process": process}, ensure_ascii=False)

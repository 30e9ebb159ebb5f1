"""The IDs on log lines: of the request, the job, its run and the stage.

They are context variables: every line logged within, by whatever library, carries them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse
from django_structlog.middlewares import RequestMiddleware

# Probes and scrapes, every few seconds each.
_QUIET = ("/healthz", "/metrics", "/static/")


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Put IDs on every line logged within the block. Those that are None are left out."""
    with structlog.contextvars.bound_contextvars(**{name: str(id) for name, id in ids.items() if id is not None}):
        yield


def new_connection() -> None:
    """Give a WebSocket, or a request of which nothing else is logged, an ID of its own."""
    structlog.contextvars.bind_contextvars(request_id=str(uuid4()))


def in_this_context(function: Callable[[], None]) -> Callable[[], None]:
    """Return `function` with the present IDs, for a thread, which would begin without any."""
    context = copy_context()
    return lambda: context.run(function)


class RequestIds(RequestMiddleware):
    """django_structlog's middleware: an ID for every request, and one line when it ends.

    The line has the path without its query, which can hold what people typed. Network addresses are not logged.
    """

    @staticmethod
    def format_request(request: HttpRequest) -> str:
        return f"{request.method} {request.path}"

    @staticmethod
    def bind_user_id(request: HttpRequest) -> None:
        """Bind the user if the page has loaded them anyway: a log line must not cost a query."""
        if (user := getattr(request, "_cached_user", None)) is not None and user.pk is not None:
            structlog.contextvars.bind_contextvars(user_id=user.pk)

    def process_view(self, _request: HttpRequest, _view: object, _args: Any, kwargs: dict[str, Any]) -> None:
        """Bind the job or video that the address names."""
        for name in ("job_id", "video_id", "batch_id"):
            if name in kwargs:
                structlog.contextvars.bind_contextvars(**{name.removesuffix("_id"): str(kwargs[name])})

    def prepare(self, request: HttpRequest) -> None:
        if request.path.startswith(_QUIET):
            new_connection()
        else:
            super().prepare(request)

    def handle_response(self, request: HttpRequest, response: HttpResponse) -> None:
        if request.path.startswith(_QUIET) and response.status_code < 500:
            structlog.contextvars.clear_contextvars()
        else:
            super().handle_response(request, response)

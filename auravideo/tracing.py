"""Traces, exported by OpenTelemetry's protocol (OTLP): a page, the messages it sends and the stages they start are one.

Optional: nothing is imported, and nothing costs anything, unless OTEL_EXPORTER_OTLP_ENDPOINT is set. Our own few hooks
instead of opentelemetry-instrumentation-celery and -django: the former never ends the span of a task that is sent by
name, as all of ours are, and the latter exports whole addresses, of which some are secrets.
"""

import time
from collections.abc import Awaitable, Callable
from contextvars import Token
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from asgiref.sync import iscoroutinefunction
from celery import Task
from celery.signals import before_task_publish, task_failure, task_postrun, task_prerun
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.decorators import sync_and_async_middleware

from auravideo.version import VERSION

if TYPE_CHECKING:  # importing Django's HTTP loads the database layer, which the catalogue's readers do without
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

INSTALL = ".venv/bin/uv pip install -r requirements-tracing.txt"
_QUIET = ("/healthz", "/metrics", "/static/")
_tracer: Any = None
_provider: Any = None
_running: dict[str, tuple[Any, Token]] = {}  # by task ID: the span and the context to restore

Response: TypeAlias = "HttpResponseBase | Awaitable[HttpResponseBase]"


def start(service: str) -> None:
    """Trace this process from now on, if the operator wants traces. `service`: what the process is.

    Raises:
        ImproperlyConfigured: traces are wanted, but the extra is not installed.
    """
    global _tracer, _provider
    if not settings.TRACING_ENDPOINT:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ImproperlyConfigured(f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error}. Run: {INSTALL}") from None
    resource = Resource.create({"service.name": f"auravideo-{service}", "service.version": VERSION})
    _provider = TracerProvider(resource=resource)
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("auravideo")
    before_task_publish.connect(_send)
    task_prerun.connect(_begin)
    task_failure.connect(_fail)
    task_postrun.connect(_end)


def is_installed() -> bool:
    """Return whether the extra is installed."""
    try:
        return find_spec("opentelemetry.sdk") is not None and find_spec("opentelemetry.exporter") is not None
    except ImportError:
        return False


def finish() -> None:
    """Export what is left; for processes that exit without running exit handlers."""
    if _provider is not None:
        _provider.shutdown()


def describe(**facts: object) -> None:
    """Put facts on the current span: the job, its run, the stage."""
    if _tracer is not None:
        from opentelemetry import trace

        trace.get_current_span().set_attributes({f"auravideo.{name}": str(fact) for name, fact in facts.items()})


@sync_and_async_middleware
def trace_requests(get_response: "Callable[[HttpRequest], Response]") -> "Callable[[HttpRequest], Response]":
    """Trace every request, named by its URL's name. Used only if traces are wanted (settings.MIDDLEWARE)."""
    if iscoroutinefunction(get_response):

        async def trace_async(request: "HttpRequest") -> "HttpResponseBase":
            if _tracer is None or request.path.startswith(_QUIET):
                return await cast("Awaitable[HttpResponseBase]", get_response(request))
            with _tracer.start_as_current_span(f"{request.method}", kind=_kind("SERVER")) as span:
                response = await cast("Awaitable[HttpResponseBase]", get_response(request))
                _describe_page(span, request, response)
                return response

        return trace_async

    def trace_sync(request: "HttpRequest") -> "HttpResponseBase":
        if _tracer is None or request.path.startswith(_QUIET):
            return cast("HttpResponseBase", get_response(request))
        with _tracer.start_as_current_span(f"{request.method}", kind=_kind("SERVER")) as span:
            response = cast("HttpResponseBase", get_response(request))
            _describe_page(span, request, response)
            return response

    return trace_sync


def _describe_page(span: Any, request: "HttpRequest", response: "HttpResponseBase") -> None:
    """Name the span by the route, which has no values in it: no IDs, no tokens of unlisted links."""
    if request.resolver_match is not None:
        span.update_name(f"{request.method} {request.resolver_match.view_name}")
        span.set_attribute("http.route", request.resolver_match.route)
    span.set_attribute("http.request.method", request.method or "")
    span.set_attribute("http.response.status_code", response.status_code)
    if response.status_code >= 500:
        from opentelemetry.trace import StatusCode

        span.set_status(StatusCode.ERROR)


def _kind(name: str) -> Any:
    from opentelemetry.trace import SpanKind

    return SpanKind[name]


def _send(sender: str, headers: dict, **_kwargs: object) -> None:
    """Note that a task is sent, and give the message the trace to go on with."""
    from opentelemetry.propagate import inject

    with _tracer.start_as_current_span(f"send {sender}", kind=_kind("PRODUCER")):
        inject(headers)


def _begin(task_id: str, task: Task, **_kwargs: object) -> None:
    from opentelemetry import context, trace
    from opentelemetry.propagate import extract

    parent = extract({"traceparent": getattr(task.request, "traceparent", None) or ""})
    span = _tracer.start_span(task.name, context=parent, kind=_kind("CONSUMER"), start_time=time.time_ns())
    _running[task_id] = span, context.attach(trace.set_span_in_context(span, parent))


def _fail(task_id: str, exception: BaseException, **_kwargs: object) -> None:
    from opentelemetry.trace import StatusCode

    if task_id in _running:
        span, _token = _running[task_id]
        span.set_status(StatusCode.ERROR, type(exception).__name__)  # not its text, which may hold a secret


def _end(task_id: str, **_kwargs: object) -> None:
    from opentelemetry import context

    if found := _running.pop(task_id, None):
        span, token = found
        context.detach(token)
        span.end()

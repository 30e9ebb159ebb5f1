"""Counting of HTTP requests."""

import time
from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from auravideo.core.metrics.declared import HTTP_REQUESTS, HTTP_SECONDS

# Clients can send any method and any path, so everything unknown shares one label.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

Response = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def count_requests(get_response: Callable[[HttpRequest], Response]) -> Callable[[HttpRequest], Response]:
    """Count every request by the name of its URL, and time it."""
    if iscoroutinefunction(get_response):

        async def count_async(request: HttpRequest) -> HttpResponseBase:
            start = time.perf_counter()
            response = await cast(Awaitable[HttpResponseBase], get_response(request))
            _count(request, response, time.perf_counter() - start)
            return response

        return count_async

    def count(request: HttpRequest) -> HttpResponseBase:
        start = time.perf_counter()
        response = cast(HttpResponseBase, get_response(request))
        _count(request, response, time.perf_counter() - start)
        return response

    return count


def count_unserved(method: str, status: int) -> None:
    """Count a request that was answered before Django saw it."""
    HTTP_REQUESTS.labels(method=_method(method), view="none", status=str(status)).inc()


def _count(request: HttpRequest, response: HttpResponseBase, seconds: float) -> None:
    view = _view(request)
    HTTP_REQUESTS.labels(method=_method(request.method), view=view, status=str(response.status_code)).inc()
    HTTP_SECONDS.labels(view=view).observe(seconds)


def _method(method: str | None) -> str:
    return method if method in _METHODS else "other"


def _view(request: HttpRequest) -> str:
    if request.resolver_match is not None:
        return request.resolver_match.view_name or "unnamed"
    return "static" if request.path.startswith(settings.STATIC_URL) else "none"

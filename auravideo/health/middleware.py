"""Answers the probes before anything else looks at the request.

A container or a load balancer asks by IP address, which is in nobody's ALLOWED_HOSTS, over plain HTTP and without a
cookie. The answers contain nothing of the request, so whatever Host it names does no harm. Every other address goes
through the checks as always.
"""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from auravideo.health import views

PROBES = {"/healthz": views.ready, "/healthz/live": views.live}


class ProbeMiddleware:
    """Has to be the first middleware. Costs a look-up for other addresses, also under ASGI: no change of thread."""

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable) -> None:
        self.get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._answer(request)
        view = PROBES.get(request.path_info)
        return view(request) if view else self.get_response(request)

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        view = PROBES.get(request.path_info)
        if view is None:
            return await self.get_response(request)
        if view is views.live:  # waits for nothing, not even for a free thread
            return view(request)
        return await sync_to_async(view, thread_sensitive=False)(request)

"""/metrics, for Prometheus."""

import secrets
from collections.abc import Awaitable, Callable
from typing import cast

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from generation.queue.monitoring.gauges import SiteCollector

PATH = "/metrics"
_registry = CollectorRegistry()
_registry.register(SiteCollector())

Response = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def answer_scrapes(get_response: Callable[[HttpRequest], Response]) -> Callable[[HttpRequest], Response]:
    """Show the metrics of the whole site to whoever sends the token; to everyone else there is no such page.

    A middleware, because Prometheus asks for a web process by the name that it has in its network, which need not be in
    ALLOWED_HOSTS. The client's address decides nothing: behind a proxy on the same machine, every visitor of the world
    comes from 127.0.0.1.
    """
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            if _may_scrape(request):
                return await sync_to_async(_metrics)(request)
            return await cast(Awaitable[HttpResponseBase], get_response(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _metrics(request) if _may_scrape(request) else cast(HttpResponseBase, get_response(request))

    return answer


def _may_scrape(request: HttpRequest) -> bool:
    if request.path != PATH or request.method not in ("GET", "HEAD"):
        return False
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = settings.METRICS_TOKEN
    return bool(expected) and scheme.lower() == "bearer" and secrets.compare_digest(token.encode(), expected.encode())


def _metrics(request: HttpRequest) -> HttpResponse:
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry), content_type=content_type, headers={"Cache-Control": "no-store"})

"""/metrics, for Prometheus."""

import secrets

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from generation.queue.gauges import SiteCollector

_registry = CollectorRegistry()
_registry.register(SiteCollector())


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Show the metrics of the whole site to whoever sends the token; to everyone else there is no such page.

    Without METRICS_TOKEN there is none for anyone. The client's address decides nothing: behind a proxy on the same
    machine, every visitor of the world comes from 127.0.0.1.
    """
    if not _has_token(request):
        raise Http404
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(_registry), content_type=content_type)


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = settings.METRICS_TOKEN
    return bool(expected) and scheme.lower() == "bearer" and secrets.compare_digest(token.encode(), expected.encode())

"""WebSocket routes."""

from typing import Any

from django.urls import path

from generation.jobs.consumers import JobsConsumer

# Channels reuses Django's URL patterns, with applications in place of views.
websocket_urlpatterns: list[Any] = [
    path("ws/jobs/", JobsConsumer.as_asgi()),  # type: ignore[arg-type]  # an application, not a view
]

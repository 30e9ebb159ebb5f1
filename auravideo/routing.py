"""The addresses of the WebSockets."""

from typing import Any

from django.urls import path

from generation.jobs.consumers import JobsConsumer

# Channels reads Django's patterns, but expects applications in them where Django expects views.
websocket_urlpatterns: list[Any] = [
    path("ws/jobs/", JobsConsumer.as_asgi()),  # type: ignore[arg-type]  # an application, not a view
]

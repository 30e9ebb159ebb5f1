"""The addresses of the WebSockets."""

from django.urls import path

from generation.jobs.consumers import JobsConsumer

websocket_urlpatterns = [path("ws/jobs/", JobsConsumer.as_asgi())]

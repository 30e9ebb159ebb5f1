"""WebSocket routes, and where the site is."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.urls import path, re_path

from auravideo.admission import Application, Receive, Scope, Send
from auravideo.sockets import NOT_FOUND, LimitedByAddress, OwnPages, closing
from generation.jobs.consumers import JobsConsumer

_unknown: Any = closing(NOT_FOUND)
# Channels reuses Django's URL patterns, with applications in place of views.
websocket_urlpatterns: list[Any] = [
    path("ws/jobs/", JobsConsumer.as_asgi()),  # type: ignore[arg-type]  # an application, not a view
    re_path("", _unknown),
]
_signed_in: Any = AuthMiddlewareStack(URLRouter(websocket_urlpatterns))
websocket_application = OwnPages(LimitedByAddress(_signed_in))


def at_the_root(application: Application) -> Application:
    """Ignore a path below which the site would be. Daphne takes it from a header that any client can send."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, "root_path": ""}, receive, send)

    return run

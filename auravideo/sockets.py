"""Which WebSockets are let in: those of the site's own pages, so many per address, and only where there is one.

A browser sends a visitor's cookies along whatever page opens a WebSocket, so its `Origin` decides, like that of a form.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import split_domain_port, validate_host

from auravideo.admission import Application, Receive, Scope, Send, address_of
from generation.jobs.consumers import TOO_MANY

NOT_FOUND = 4404


class OwnPages:
    """Lets in only what a page of this site opened: one whose scheme, host and port are the site's."""

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        inner: Any = self.application if is_own(_headers(scope)) else WebsocketDenier()
        await inner(scope, receive, send)


class LimitedByAddress:
    """Lets in AURAVIDEO_MAX_SOCKETS_OF_ADDRESS at a time from one address. Further pages ask every few seconds."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = address_of(scope)
        if self.open[address] >= settings.MAX_SOCKETS_OF_ADDRESS:
            await closing(TOO_MANY)(scope, receive, send)
            return
        self.open[address] += 1
        try:
            await self.application(scope, receive, send)
        finally:
            self.open[address] -= 1
            self.open += Counter()  # forgets addresses without any


def closing(code: int) -> Application:
    """Return an application that closes a WebSocket with `code`, after accepting it: its client sees the reason."""

    async def close(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.close", "code": code})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    return close


def is_own(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether the `Origin` is the site's: SITE_URL, one of CSRF_TRUSTED_ORIGINS, or an allowed `Host`'s."""
    origin = headers.get(b"origin", b"").decode("latin1").lower()
    return bool(origin) and (origin == _of_host(headers) or any(_matches(origin, own) for own in _configured()))


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in scope["headers"]}


def _of_host(headers: Mapping[bytes, bytes]) -> str:
    """Return the origin of a page that the site sent for this `Host`; "" if it answers to no such host."""
    host = headers.get(b"host", b"").decode("latin1").lower()
    allowed = settings.ALLOWED_HOSTS or [".localhost", "127.0.0.1", "[::1]"]  # as Django's, with DEBUG
    if not validate_host(split_domain_port(host)[0], allowed):
        return ""
    return f"https://{host}" if settings.HTTPS else f"http://{host}"


def _configured() -> list[str]:
    return [*filter(None, [settings.SITE_URL]), *settings.CSRF_TRUSTED_ORIGINS]


def _matches(origin: str, own: str) -> bool:
    """Return whether an origin is `own`; in that, `*.` stands for any host below the rest, as for forms."""
    scheme, _, rest = own.partition("://*")
    return origin.startswith(f"{scheme}://") and origin.endswith(rest) if rest else origin == own

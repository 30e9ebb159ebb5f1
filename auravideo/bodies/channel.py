"""Daphne's HTTP, with bounds. It hands a request over only once its whole body is stored, so an ASGI middleware would
come too late: the length is checked when the headers have arrived, and each part of the body as it arrives.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import daphne.server
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.http import HttpResponse
from twisted.web import http

from auravideo.bodies import refusal as refusals
from auravideo.bodies.in_flight import InFlight
from auravideo.bodies.limits import limit_of
from auravideo.core.metrics.requests import count_unserved
from auravideo.refusals.admission import address_of

HEADER_SECONDS = 20  # until the headers of a request are complete
# A body may take this long, and a second more for each 2 KiB that have arrived: less than the slowest mobile network.
BODY_SECONDS, BYTES_A_SECOND = 30, 2 * 2**10
CHECK_SECONDS = 5
# After a refusal, what is still being sent is read and dropped for a while: a browser shows no answer to what it could
# not finish sending.
LINGER_SECONDS, LINGER_BYTES = 10, 64 * 2**20
SOCKET_MESSAGE_BYTES = 16 * 2**10  # our pages send which jobs they show

in_flight = InFlight()


class BoundedRequest(WebRequest):
    """A request whose body is counted as it arrives."""

    address = ""
    limit = 0
    received = 0

    def __init__(self, channel: http.HTTPChannel, queued: object) -> None:
        # Twisted would parse the form in the event loop, and nobody reads what it finds.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)

    def bound(self, uri: bytes) -> None:
        """Set the limit of the body, once the headers are known."""
        upgrade = self.requestHeaders.getRawHeaders(b"Upgrade") or [b""]
        path = unquote(uri.partition(b"?")[0].decode("latin1"))
        self.limit = limit_of(path, opens_websocket=upgrade[0].lower() == b"websocket")

    def handleContentChunk(self, data: bytes) -> None:
        if self.channel.admits(self, len(data)):
            super().handleContentChunk(data)

    def release(self) -> None:
        """Stop counting the body: it was read, or nobody will read it."""
        received, self.received = self.received, 0
        if received:
            in_flight.give_back(self.address, received)

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message.get("type") == "http.response.start":  # so the body was read; the answer may take an hour
            self.release()
        super().handle_reply(message)

    def connectionLost(self, reason: object) -> None:
        self.release()
        super().connectionLost(reason)

    def finish(self) -> None:
        self.release()
        super().finish()


class BoundedChannel(http.HTTPChannel):
    """A connection that takes no longer body than the address allows, and cuts off who sends too slowly."""

    _waiting: Any = None  # Twisted's delayed call
    _is_refused = False
    _dropped = 0

    def dataReceived(self, data: bytes) -> None:
        if self._is_refused:
            self._drop(data)
            return
        if self._waiting is None and not self._handlingRequest:
            self._wait(HEADER_SECONDS, self._cut)
        super().dataReceived(data)

    def allHeadersReceived(self) -> None:
        self._stop_waiting()
        request = self.requests[-1]
        scope = _scope(request, self)
        if (refusal := self.factory.refuse(scope)) is not None:
            count_unserved(scope["method"], refusal.status_code)
            self._answer(refusal)
            return
        request.bound(self._path)
        if self.length != 0:
            request.address = address_of(scope)
            if self.length is not None and self.length > request.limit:
                self._refuse(request, refusals.TOO_LARGE)
                return
            self._wait(BODY_SECONDS, lambda: self._check_pace(request, BODY_SECONDS))
        super().allHeadersReceived()

    def allContentReceived(self) -> None:
        self._stop_waiting()
        if not self._is_refused:
            super().allContentReceived()

    def connectionLost(self, reason: object) -> None:
        self._stop_waiting()
        super().connectionLost(reason)

    def admits(self, request: BoundedRequest, size: int) -> bool:
        """Count a part of a body; refuse the request if that is too much."""
        if self._is_refused:
            return False
        if request.received + size > request.limit:
            self._refuse(request, refusals.TOO_LARGE)
            return False
        if status := in_flight.take(request.address, size):
            self._refuse(request, status)
            return False
        request.received += size
        return True

    def _check_pace(self, request: BoundedRequest, seconds: int) -> None:
        """Cut the connection if less of the body has arrived than it should have after `seconds`."""
        if seconds > BODY_SECONDS + request.received / BYTES_A_SECOND:
            self._refuse(request, refusals.TOO_SLOW)
        else:
            self._wait(CHECK_SECONDS, lambda: self._check_pace(request, seconds + CHECK_SECONDS))

    def _wait(self, seconds: float, action: Callable[[], None]) -> None:
        self._waiting = self.callLater(seconds, action)

    def _stop_waiting(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and waiting.active():
            waiting.cancel()

    def _cut(self) -> None:
        """End a connection whose headers do not arrive: of a person there is no sign yet, so there is no page."""
        self._answer(HttpResponse(status=408))

    def _refuse(self, request: BoundedRequest, status: int) -> None:
        request.release()
        scope = _scope(request, self)
        count_unserved(scope["method"], status)
        self._answer(refusals.response(scope, status, request.limit))

    def _answer(self, response: HttpResponse) -> None:
        """Send a response that the application knows nothing of, and close the connection."""
        self._is_refused = True
        self._stop_waiting()
        self.setTimeout(None)
        headers = {**response.headers, "Content-Length": str(len(response.content)), "Connection": "close"}
        lines = [f"HTTP/1.1 {response.status_code} {response.reason_phrase}", *map(": ".join, headers.items())]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("latin1") + response.content)
        if self.length != 0 and hasattr(self.transport, "loseWriteConnection"):
            self.transport.loseWriteConnection()
            self._abortingCall = self.callLater(LINGER_SECONDS, self.forceAbortClient)
        else:
            self.loseConnection()

    def _drop(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self.transport.abortConnection()


class BoundedFactory(HTTPFactory):
    """Daphne's factory of connections, with ours."""

    # Returns the answer to a request that is refused whatever its body is.
    refuse: Callable[[dict[str, Any]], HttpResponse | None] = staticmethod(lambda _scope: None)

    def __init__(self, server: daphne.server.Server) -> None:
        super().__init__(server)
        server.websocket_max_message_size = server.websocket_max_frame_size = SOCKET_MESSAGE_BYTES

    def buildProtocol(self, addr: object) -> object:
        protocol = super().buildProtocol(addr)
        channel = BoundedChannel()
        channel.requestFactory, channel.factory = BoundedRequest, self
        channel.callLater, channel.timeOut = protocol.callLater, protocol.timeOut
        protocol._channel = channel
        return protocol


class BoundedSocket(WebSocketProtocol):
    """A WebSocket whose pages may send little, and read as much as there is: autobahn has one limit for both."""

    maxMessagePayloadSize: int  # bytes; 0 for no limit

    def sendMessage(self, *message: Any, **options: Any) -> None:
        limit, self.maxMessagePayloadSize = self.maxMessagePayloadSize, 0
        try:
            super().sendMessage(*message, **options)
        finally:
            self.maxMessagePayloadSize = limit


def install(refuse: Callable[[dict[str, Any]], HttpResponse | None]) -> None:
    """Let Daphne use our bounds, and refuse at once what `refuse` does, however it is started. It has no option."""
    BoundedFactory.refuse = staticmethod(refuse)
    daphne.server.HTTPFactory = BoundedFactory
    WebSocketFactory.protocol = BoundedSocket


def _scope(request: BoundedRequest, channel: BoundedChannel) -> dict[str, Any]:
    """Return what of an ASGI scope is known before Daphne makes one."""
    path, _, query = channel._path.partition(b"?")
    peer = channel.transport.getPeer()
    raw = request.requestHeaders.getAllRawHeaders()
    return {
        "type": "http",
        "method": channel._command.decode("latin1"),
        "path": unquote(path.decode("latin1")),
        "query_string": query,
        "headers": [(name.lower(), value) for name, values in raw for value in values if b"_" not in name],
        "client": [peer.host, peer.port] if hasattr(peer, "host") else None,
    }

"""How many requests a web process works on at a time. Others wait briefly for their turn, and are then turned away.

A process that accepts everything answers everything late: at fifty submissions a second, each took ten seconds or more.
So what cannot be served soon gets a 503 that says when to come back.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest

from accounts.adapter import AccountAdapter
from auravideo.core.metrics.declared import REQUESTS_SHED
from auravideo.core.metrics.requests import count_unserved
from auravideo.refusals import turned_away

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

MOST_WAITING = 500  # requests; more are turned away at once
MOST_OF_ONE_ADDRESS = 100  # of these; more than a process can serve within its patience
# Answered whatever the load, or an overloaded process would seem to be dead.
PROBES = ("/healthz", "/healthz/live", "/metrics")
# Static files take little, and the page of the 503 needs some, so they have turns of their own.
STATIC_AT_ONCE, STATIC_PATIENCE = 20, 10.0


class Overloaded(Exception):
    """The request was not served."""


class Turns:
    """At most `at_once` holders at a time; others wait for `patience` seconds at most.

    Those who wait are let in one address after the other, and those of one address in order, so a visitor who sends
    hundreds of requests delays their own.
    """

    def __init__(self, at_once: int, patience: float) -> None:
        self.free = at_once
        self.patience = patience
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    async def take(self, address: str = "") -> None:
        """Return when it is this caller's turn. Raises Overloaded if that takes too long."""
        if self.free > 0:
            self.free -= 1
            return
        line = self._lines.setdefault(address, deque())
        if self.waiting >= MOST_WAITING or len(line) >= MOST_OF_ONE_ADDRESS:
            self._drop_if_empty(address)
            raise Overloaded
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(self.patience):
                await turn
        except TimeoutError:
            if not _was_given(turn):
                self._leave(address, turn)
                raise Overloaded from None
        except asyncio.CancelledError:  # the browser went away
            if _was_given(turn):
                self.give_back()
            else:
                self._leave(address, turn)
            raise

    def give_back(self) -> None:
        """Let the next one in: the first of the address that has waited longest for its turn."""
        while self._lines:
            address, line = next(iter(self._lines.items()))
            turn = line.popleft()
            del self._lines[address]
            if line:
                self._lines[address] = line  # to the end
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1

    def _leave(self, address: str, turn: "asyncio.Future[None]") -> None:
        line = self._lines.get(address, deque())
        if turn in line:
            line.remove(turn)
        self._drop_if_empty(address)

    def _drop_if_empty(self, address: str) -> None:
        if not self._lines.get(address, True):
            del self._lines[address]


def _was_given(turn: "asyncio.Future[None]") -> bool:
    return turn.done() and not turn.cancelled()


class Admission:
    """The ASGI application of the pages, with its turns."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.turns = Turns(settings.REQUESTS_AT_ONCE, settings.REQUEST_PATIENCE)
        self.static = Turns(STATIC_AT_ONCE, STATIC_PATIENCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES:
            await self.application(scope, receive, send)
            return
        turns = self.static if scope["path"].startswith(settings.STATIC_URL) else self.turns
        try:
            await turns.take(address_of(scope) if turns.free <= 0 else "")
        except Overloaded:
            await _turn_away(scope, receive, send)
            return
        held = _Held(turns)

        async def send_on(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":  # a download is not work: its bytes may take an hour
                held.give_back()
            await send(message)

        try:
            await self.application(scope, receive, send_on)
        finally:
            held.give_back()


def address_of(scope: Scope) -> str:
    """Return the visitor's address as rate limits count it: behind `TRUSTED_PROXIES`, and IPv6 by network."""
    try:
        return AccountAdapter().client_network(ASGIRequest({"method": "GET", **scope}, BytesIO()))
    except PermissionDenied:  # none that can be read
        return ""


class _Held:
    """A turn, given back once."""

    def __init__(self, turns: Turns) -> None:
        self._turns: Turns | None = turns

    def give_back(self) -> None:
        turns, self._turns = self._turns, None
        if turns is not None:
            turns.give_back()


async def _turn_away(scope: Scope, receive: Receive, send: Send) -> None:
    body = await _body(receive) if turned_away.keeps_form(scope) else b""
    response = turned_away.response(scope, body)
    REQUESTS_SHED.inc()
    count_unserved(scope["method"], response.status_code)
    headers = [(name.encode("latin1"), value.encode("latin1")) for name, value in response.items()]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


async def _body(receive: Receive) -> bytes:
    """Return the body of a request; b"" if it is longer than a form that is sent back."""
    body = b""
    while len(body) <= turned_away.MOST_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body if len(body) <= turned_away.MOST_BYTES else b""
    return b""

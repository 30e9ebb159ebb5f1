"""How many requests a web process works on at a time. Others wait briefly for their turn, and are then turned away.

A process that accepts everything answers everything late: at fifty submissions a second, each took ten seconds or more.
So what cannot be served soon gets a 503 that says when to come back, and who asks for more than their share a 429.
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from accounts.adapter import AccountAdapter
from auravideo.core.metrics.declared import REQUESTS_SHED
from auravideo.core.metrics.requests import count_unserved
from auravideo.refusals import turned_away
from auravideo.refusals.budgets import Budgets, Payer, Prices
from auravideo.refusals.measuring import SETTLE, SIGNED_IN
from auravideo.refusals.members import Members, people_of, person_of
from auravideo.refusals.turns import Overloaded, Turns

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

# Answered whatever the load, or an overloaded process would seem to be dead.
PROBES = ("/healthz", "/healthz/live", "/metrics")
# Static files take little, and the page of the 503 needs some, so they have turns of their own.
STATIC_AT_ONCE, STATIC_PATIENCE = 20, 10.0
OVERHEAD = 0.002  # seconds of computing that a request takes outside its thread
SECONDS_A_BYTE = 3e-9  # of computing, of an answer that is sent while it is read
SOCKET_PRICE = 0.02  # seconds of computing until a WebSocket is open


class Admission:
    """The ASGI application of the pages, with its turns."""

    def __init__(self, application: Application) -> None:
        self.application = application
        self.budgets, self.prices = Budgets(), Prices()
        self.members = Members(self.budgets)
        self.turns = Turns(settings.REQUESTS_AT_ONCE, settings.REQUEST_PATIENCE, self._debt)
        self.static = Turns(STATIC_AT_ONCE, STATIC_PATIENCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES:
            await self.application(scope, receive, send)
            return
        payer, kind = self._payer(scope), kind_of(scope["path"])
        price = self.prices.of(kind)
        self.budgets.ask(payer.address, price, payer.person)
        try:
            turn = await self._turns(kind, payer).take(*payer)
        except Overloaded:
            await self._turn_away(payer, scope, receive, send)
            return

        def settle(seconds: float) -> None:
            self.prices.learn(kind, seconds + OVERHEAD)
            self.budgets.settle(payer.address, seconds + OVERHEAD - price, payer.person)

        def signed_in(user_id: int) -> None:
            if people := people_of(scope["headers"]):
                self.members.note(people[-1], is_signed_in=user_id in people)

        async def send_on(message: Mapping[str, Any]) -> None:
            if message["type"] == "http.response.start":  # a download is not work: its bytes may take an hour
                turn.give_back()
            elif message.get("more_body"):
                self.budgets.settle(payer.address, SECONDS_A_BYTE * len(message["body"]), payer.person)
            await send(message)

        scope[SETTLE], scope[SIGNED_IN] = settle, signed_in
        try:
            await self.application(scope, receive, send_on)
        finally:
            turn.give_back()

    def refusal(self, scope: Scope) -> HttpResponse | None:
        """Return the answer to a request whose payer has no room, if so: before its body is read."""
        if scope["path"] in PROBES:
            return None
        payer = self._payer(scope)
        if not self._debt(payer) or self.turns.has_room(payer):
            return None
        self.budgets.ask(payer.address, self.prices.of(kind_of(scope["path"])), payer.person)
        REQUESTS_SHED.inc()
        return turned_away.in_debt(scope)

    def of_sockets(self, application: Application) -> Application:
        """Return the application of the WebSockets. Addresses in debt wait for a turn, and hold it until one opens."""

        async def run(scope: Scope, receive: Receive, send: Send) -> None:
            payer = self._payer(scope)
            self.budgets.ask(payer.address, SOCKET_PRICE, payer.person)
            if not self._debt(payer):  # after a restart, all pages open theirs at once
                await application(scope, receive, send)
                return
            try:
                turn = await self.turns.take(*payer)
            except Overloaded:
                await send({"type": "websocket.close"})  # the page asks every few seconds instead
                return

            async def send_on(message: Mapping[str, Any]) -> None:
                turn.give_back()
                await send(message)

            try:
                await application(scope, receive, send_on)
            finally:
                turn.give_back()

        return run

    def _payer(self, scope: Scope) -> Payer:
        return self.members.payer(address_of(scope), person_of(scope["headers"]))

    def _debt(self, payer: Payer) -> float:
        return self.budgets.debt(*payer)

    def _turns(self, kind: str, payer: Payer) -> Turns:
        return self.static if kind == STATIC and not self._debt(payer) else self.turns

    async def _turn_away(self, payer: Payer, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _body(receive) if turned_away.keeps_form(scope) else b""
        answer = turned_away.in_debt if self._debt(payer) else turned_away.busy
        response = answer(scope, body)
        REQUESTS_SHED.inc()
        count_unserved(scope["method"], response.status_code)
        headers = [(name.encode("latin1"), value.encode("latin1")) for name, value in response.items()]
        await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": response.content})


STATIC = "static"


def kind_of(path: str) -> str:
    """Return the name of the view that answers at a path; all others are of one kind."""
    if path.startswith(settings.STATIC_URL):
        return STATIC
    try:
        return resolve(path).view_name
    except Resolver404:
        return ""


def address_of(scope: Scope) -> str:
    """Return the visitor's address as rate limits count it: behind `TRUSTED_PROXIES`, and IPv6 by network."""
    request = HttpRequest()
    client, forwarded = scope.get("client"), [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    if client:
        request.META["REMOTE_ADDR"] = client[0]
    if forwarded:
        request.META["HTTP_X_FORWARDED_FOR"] = ",".join(value.decode("latin1") for value in forwarded)
    try:
        return AccountAdapter().client_network(request)
    except PermissionDenied:  # none that can be read
        return ""


async def _body(receive: Receive) -> bytes:
    """Return the body of a request; b"" if it is longer than a form that is sent back."""
    body = b""
    while len(body) <= turned_away.MOST_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body if len(body) <= turned_away.MOST_BYTES else b""
    return b""

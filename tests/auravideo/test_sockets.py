"""WebSockets of other sites, of other ports and of crowds are refused, and unknown addresses are closed politely."""

import asyncio

import pytest
from channels.testing import ApplicationCommunicator, WebsocketCommunicator
from django.core.asgi import get_asgi_application

from auravideo import sockets
from auravideo.routing import at_the_root, websocket_application

OTHERS = [
    "",
    "null",
    "http://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:8001",
    "https://127.0.0.1:8000",
    "http://localhost:8000",
    "http://127.0.0.1:8000.evil.example",
    "http://127.0.0.1:8000@evil.example",
    "ws://127.0.0.1:8000",
    "file://127.0.0.1:8000",
    "127.0.0.1:8000",
]


def socket(path: str, origin: str = "http://127.0.0.1:8000", host: str = "127.0.0.1:8000", site=websocket_application):
    headers = [(b"host", host.encode()), *([(b"origin", origin.encode())] if origin else [])]
    communicator = WebsocketCommunicator(site, path, headers=headers)
    communicator.scope["client"] = ("203.0.113.7", 50_000)
    return communicator


@pytest.mark.parametrize("path", ["/ws/other/", "/ws/", "/", "/ws/jobs", "/ws/jobs/x/", "//", "/ws/jobs/%0a"])
async def test_an_unknown_address_is_closed_as_such(path):
    communicator = socket(path)
    assert await communicator.connect(30) == (True, None)
    assert await communicator.receive_output(30) == {"type": "websocket.close", "code": sockets.NOT_FOUND}
    await communicator.disconnect()
    await communicator.wait(30)


@pytest.mark.parametrize("origin", OTHERS)
async def test_a_page_of_another_address_is_refused_before_it_is_known_what_it_wants(origin):
    for path in ("/ws/jobs/", "/ws/other/"):
        communicator = socket(path, origin)
        connected, _code = await communicator.connect(30)
        assert not connected


@pytest.mark.parametrize("origin", OTHERS)
def test_none_of_them_is_the_sites_own(origin):
    assert not sockets.is_own({b"origin": origin.encode(), b"host": b"127.0.0.1:8000"})


def own(origin: str, host: str = "127.0.0.1:8000") -> bool:
    return sockets.is_own({b"origin": origin.encode(), b"host": host.encode()})


def test_the_sites_own_is_what_forms_may_come_from(settings):
    assert own("http://127.0.0.1:8000")
    assert own("http://localhost", "localhost")
    assert not own("http://evil.example", "evil.example"), "a host that the site does not answer to"
    settings.ALLOWED_HOSTS, settings.SITE_URL, settings.HTTPS = ["v.example.org"], "https://v.example.org", True
    assert own("https://v.example.org", "a-name-inside:8000"), "a proxy that changes Host"
    assert own("https://v.example.org:8443", "v.example.org:8443")
    assert not own("http://v.example.org", "v.example.org")
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.com"]
    assert own("https://a.example.com")
    for origin in ("https://example.com.evil.example", "http://a.example.com", "https://evilexample.com"):
        assert not own(origin)


class Held:
    """An application that accepts and holds its WebSockets until they are closed."""

    async def __call__(self, scope, receive, send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


@pytest.fixture
def crowded(settings):
    settings.MAX_SOCKETS_OF_ADDRESS = 2
    return sockets.LimitedByAddress(Held())


async def test_one_address_gets_so_many_and_others_get_theirs(crowded):
    first, second, third = (socket("/ws/jobs/", site=crowded) for _ in range(3))
    other = socket("/ws/jobs/", site=crowded)
    other.scope["client"] = ("198.51.100.1", 1)
    for communicator in (first, second, third, other):
        assert (await communicator.connect(30))[0]
    assert await third.receive_output(30) == {"type": "websocket.close", "code": sockets.TOO_MANY}
    assert await first.receive_nothing() and await other.receive_nothing()
    await first.disconnect()
    await first.wait(30)
    again = socket("/ws/jobs/", site=crowded)
    assert (await again.connect(30))[0] and await again.receive_nothing()
    for communicator in (second, third, other, again):
        await communicator.disconnect()
        await communicator.wait(30)
    assert crowded.open == {}, "nothing is remembered of addresses that left"


async def test_an_ipv6_network_counts_as_one_address_and_proxies_say_whose_it_is(crowded, settings):
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    communicators = [socket("/ws/jobs/", site=crowded) for _ in range(3)]
    for number, communicator in enumerate(communicators):
        communicator.scope["headers"].append((b"x-forwarded-for", f"2001:db8:1:2::{number}".encode()))
        assert (await communicator.connect(30))[0]
    assert await communicators[2].receive_output(30) == {"type": "websocket.close", "code": sockets.TOO_MANY}
    await asyncio.gather(*(communicator.disconnect() for communicator in communicators))


async def test_no_client_can_move_the_site_below_a_path():
    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/manifest.webmanifest", "query_string": b"",
        "root_path": "/evil", "headers": [(b"host", b"127.0.0.1:8000")], "client": ("203.0.113.7", 1),
    }  # fmt: skip
    communicator = ApplicationCommunicator(at_the_root(get_asgi_application()), scope)
    await communicator.send_input({"type": "http.request", "body": b""})
    assert (await communicator.receive_output(30))["status"] == 200
    body = (await communicator.receive_output(30))["body"]
    assert b'"start_url": "/create/"' in body and b"evil" not in body
    await communicator.wait(30)

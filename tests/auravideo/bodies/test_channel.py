"""Daphne reads no more than an address allows, from nobody for ever, and answers so that a person knows why."""

from queue import Queue

import daphne.server
import pytest
from django.http import HttpResponse
from django.urls import get_resolver
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from auravideo.bodies import channel as bounded
from auravideo.bodies.in_flight import InFlight
from auravideo.bodies.limits import ANYTHING, FORM, limit_of
from auravideo.core.metrics.declared import REGISTRY
from auravideo.core.uploads import MAX_BODY
from generation.batches import parsing
from tests.html_forms import texts_of

CHUNKED = "Transfer-Encoding: chunked"


class Server:
    """What Daphne's server is to a connection; `reached` are the requests that it handed to the application."""

    proxy_forwarded_address_header = None
    root_path, server_name, request_buffer_size = "", "daphne", 8192

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.open: set = set()

    def protocol_connected(self, protocol) -> None:
        self.open.add(protocol)

    def protocol_disconnected(self, protocol) -> None:
        self.open.discard(protocol)

    def create_application(self, _protocol, scope):
        self.reached.append(scope["path"])

    def log_action(self, *_args) -> None:
        pass


class Transport(StringTransport):
    closed_for_writing = False

    def loseWriteConnection(self) -> None:
        self.closed_for_writing = True


class Connection:
    def __init__(self, address: str = "203.0.113.7") -> None:
        self.server, self.clock = Server(), Clock()
        factory = bounded.BoundedFactory(self.server)
        self.protocol = factory.buildProtocol(None)
        self.protocol.callLater = self.clock.callLater
        self.transport = Transport(peerAddress=IPv4Address("TCP", address, 50_000))
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def post(self, path: str, *headers: str, body: bytes = b"") -> None:
        self.send("\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode() + body)

    @property
    def answer(self) -> str:
        return self.transport.value().decode()

    @property
    def status(self) -> int:
        return int(self.answer.split()[1]) if self.answer else 0

    def close(self) -> None:
        self.protocol.connectionLost(ConnectionError())


@pytest.fixture(autouse=True)
def in_flight(monkeypatch):
    count = InFlight(of_one_address=100_000, in_all=150_000)
    monkeypatch.setattr(bounded, "in_flight", count)
    return count


def chunk(size: int) -> bytes:
    return b"%x\r\n%b\r\n" % (size, b"x" * size)


@pytest.mark.parametrize(
    "path", ["/healthz", "/metrics", "/static/a.css", "/no/such/page", "/ws/jobs/", "/", "/create/"]
)
def test_a_length_beyond_the_limit_is_refused_before_anything_is_read(path, in_flight):
    connection = Connection()
    connection.post(path, f"Content-Length: {400 * 2**20}", "Expect: 100-continue", body=b"x" * 1000)
    assert connection.status == 413
    assert connection.answer.count("HTTP/1.1") == 1
    assert "connection: close" in connection.answer.lower()
    assert connection.transport.closed_for_writing
    assert in_flight.total == 0
    assert not connection.server.reached


def test_chunks_are_counted_as_they_arrive(in_flight):
    connection = Connection()
    connection.post("/healthz", CHUNKED)
    connection.send(chunk(ANYTHING))
    assert (connection.status, in_flight.total) == (0, ANYTHING)
    connection.send(chunk(1) + chunk(50))
    assert (connection.status, in_flight.total) == (413, 0)
    connection.send(b"0\r\n\r\n")
    assert not connection.server.reached


def test_what_fits_reaches_the_application_and_is_counted_until_it_is_read(in_flight):
    connection = Connection()
    connection.post("/jobs/", "Content-Length: 5000", body=b"x" * 4000)
    assert not connection.server.reached
    connection.send(b"x" * 1000)
    assert connection.server.reached == ["/jobs/"]
    assert in_flight.total == 5000
    connection.close()
    assert in_flight.total == 0


def test_a_connection_may_carry_several_requests():
    connection = Connection()
    for _ in range(2):
        connection.post("/jobs/", "Content-Length: 10", body=b"x" * 10)
        connection.protocol._channel.requests[0].basic_error(404, b"Not Found", "")
    assert connection.server.reached == ["/jobs/", "/jobs/"]
    connection.clock.advance(bounded.BODY_SECONDS)
    assert connection.answer.count("HTTP/1.1 404") == 2
    assert "408" not in connection.answer


def test_an_address_sends_only_so_much_at_a_time_and_all_together_too(in_flight):
    first, second, third = Connection("203.0.113.1"), Connection("203.0.113.1"), Connection("203.0.113.2")
    first.post("/jobs/", CHUNKED, body=chunk(90_000))
    second.post("/jobs/", CHUNKED, body=chunk(20_000))
    third.post("/jobs/", CHUNKED, body=chunk(90_000))
    assert [connection.status for connection in (first, second, third)] == [0, 429, 503]
    first.close()
    assert in_flight.total == 0
    again = Connection("203.0.113.1")
    again.post("/jobs/", CHUNKED, body=chunk(90_000))
    assert again.status == 0


def test_slow_headers_are_cut():
    connection = Connection()
    connection.send(b"GET / HTTP/1.1\r\nHost: a\r\n")
    for _ in range(bounded.HEADER_SECONDS):
        assert connection.status == 0
        connection.clock.advance(1)
        connection.send(b"X")
    assert connection.status == 408


@pytest.mark.parametrize(("bytes_a_second", "status"), [(100, 408), (2000, 0)])
def test_slow_bodies_are_cut_and_a_bad_mobile_network_is_none(bytes_a_second, status):
    connection = Connection()
    connection.post("/create/many/", CHUNKED)
    for _ in range(bounded.BODY_SECONDS + 2 * bounded.CHECK_SECONDS):
        connection.send(chunk(bytes_a_second))
        connection.clock.advance(1)
    assert connection.status == status


def test_whose_body_is_cut_reads_why():
    page, fragment = Connection(), Connection()
    page.post("/create/many/", "Content-Length: 9000", "Accept-Language: pl", body=b"x")
    fragment.post("/create/", "Content-Length: 9000", "Accept-Language: en", "HX-Request: true", body=b"x")
    for connection in (page, fragment):
        connection.clock.advance(bounded.BODY_SECONDS)
        connection.clock.advance(bounded.CHECK_SECONDS)
        assert (connection.status, connection.answer.count("HTTP/1.1")) == (408, 1)
    assert texts_of(page.answer.partition("\r\n\r\n")[2], "failure__code") == ["408"]
    assert "docierało zbyt wolno" in page.answer
    assert fragment.answer.partition("\r\n\r\n")[2].startswith("What you sent arrived too slowly")


def test_who_goes_on_sending_after_the_refusal_is_read_for_a_while_and_then_cut(monkeypatch):
    monkeypatch.setattr(bounded, "LINGER_BYTES", 1000)
    connection = Connection()
    connection.post("/healthz", "Content-Length: 1000000", body=b"x" * 900)
    connection.send(b"x" * 900)
    assert not connection.transport.disconnected
    connection.send(b"x" * 900)
    assert connection.transport.disconnected


def test_the_refusal_is_a_page_in_the_visitors_language_and_a_sentence_for_htmx():
    page = Connection()
    page.post("/create/from-file/", "Content-Length: 100000000", "Accept-Language: pl")
    assert texts_of(page.answer.partition("\r\n\r\n")[2], "failure__code") == ["413"]
    assert "65 MB" in page.answer
    assert "za duże" in page.answer
    fragment = Connection()
    fragment.post("/create/", "Content-Length: 100000000", "Accept-Language: en", "HX-Request: true")
    assert fragment.answer.partition("\r\n\r\n")[2].startswith("What you sent is too large: this page takes 256 kB")


def test_each_address_has_the_limit_of_its_view():
    assert limit_of("/healthz/live") == limit_of("/nowhere/") == ANYTHING
    assert limit_of("/jobs/") == FORM
    assert limit_of("/create/many/") > parsing.MAX_BYTES
    assert limit_of("/jobs/", opens_websocket=True) == 0
    assert getattr(get_resolver().resolve("/create/many/").func, MAX_BODY) == limit_of("/create/many/")


class OpenSocket:
    """A WebSocket that the application has accepted, with the options that Daphne gives it."""

    def __init__(self) -> None:
        bounded.install(lambda _scope: None)
        server = Server()
        bounded.BoundedFactory(server)
        server.create_application = lambda *_: Queue()
        factory = daphne.server.WebSocketFactory(server, server="daphne")
        factory.setProtocolOptions(
            openHandshakeTimeout=0,
            maxMessagePayloadSize=server.websocket_max_message_size,
            maxFramePayloadSize=server.websocket_max_frame_size,
        )
        self.protocol = factory.buildProtocol(None)
        self.protocol._raw_query_string = b""
        self.transport = Transport(peerAddress=IPv4Address("TCP", "203.0.113.7", 50_000))
        self.transport.registerProducer(self.protocol, streaming=True)  # as the HTTP connection before it has
        self.protocol.makeConnection(self.transport)
        lines = ["Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
        lines = ["GET /ws/jobs/ HTTP/1.1", *lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", ""]
        self.protocol.dataReceived("\r\n".join(lines).encode())
        self.protocol.serverAccept()
        self.transport.clear()

    def receive(self, text: bytes) -> None:
        """Let a masked frame arrive, whose mask changes nothing."""
        self.protocol.dataReceived(b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text)

    def close(self) -> None:
        self.protocol.connectionLost(Failure(ConnectionDone()))


def test_messages_that_arrive_over_websockets_are_short():
    socket = OpenSocket()
    socket.receive(b"x" * (bounded.SOCKET_MESSAGE_BYTES + 1))
    assert socket.protocol.wasMaxMessagePayloadSizeExceeded
    socket.close()


def test_messages_that_the_site_sends_over_websockets_may_be_long():
    socket = OpenSocket()
    socket.protocol.serverSend("x" * 3_000_000)  # a list of many clips
    assert len(socket.transport.value()) > 3_000_000
    socket.receive(b"x" * (bounded.SOCKET_MESSAGE_BYTES + 1))
    assert socket.protocol.wasMaxMessagePayloadSizeExceeded, "sending has lifted the limit of what arrives"
    socket.close()


def test_made_up_methods_share_one_count():
    def counted(method: str) -> float | None:
        labels = {"method": method, "view": "none", "status": "413"}
        return REGISTRY.get_sample_value("auravideo_http_requests_total", labels)

    before = counted("other") or 0
    for method in ("AAA", "AAB"):
        Connection().send(f"{method} /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n".encode())
    assert (counted("AAA"), counted("other")) == (None, before + 2)


def test_what_the_site_refuses_by_its_headers_reaches_nobody_and_is_not_read(monkeypatch, in_flight):
    refused = HttpResponse("too many", status=429, headers={"Retry-After": "12"})
    monkeypatch.setattr(
        bounded.BoundedFactory, "refuse", staticmethod(lambda scope: refused if scope["path"] == "/jobs/" else None)
    )
    connection = Connection()
    connection.send(b"GET /jobs/?a=1 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nGET /jobs/ HTTP/1.1\r\n\r\n")
    assert (connection.status, connection.answer.count("HTTP/1.1")) == (429, 1)
    assert "Retry-After: 12" in connection.answer
    posting = Connection()
    posting.post("/jobs/", "Content-Length: 100000", body=b"x" * 500)
    assert (posting.status, posting.transport.closed_for_writing, in_flight.total) == (429, True, 0)
    other = Connection()
    other.send(b"GET /help/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert (other.status, other.server.reached) == (0, ["/help/"])
    assert not connection.server.reached + posting.server.reached

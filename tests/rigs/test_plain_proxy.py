"""The plain proxy passes pages on, and WebSockets only when told to."""

import http.client
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.rigs import plain_proxy

SOCKET = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "x"}


@pytest.fixture(scope="module")
def server():
    """Yield the port of a server that upgrades whoever asks, and otherwise answers with what it got."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Upgrade"):
                self.send_response(101)
                self.end_headers()
                self.wfile.write(self.rfile.read1(100)[::-1])  # the other protocol: everything backwards
                self.close_connection = True
                return
            self._send(f"{self.path} for {self.headers['Host']}".encode())

        def do_POST(self) -> None:
            self._send(self.rfile.read(int(self.headers["Content-Length"])))

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    found = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True).start()
    yield found.server_port
    found.shutdown()
    found.server_close()


def ask(proxy, path="/page", headers=None, body=None, host="video.example.org"):
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10)
    connection.request("POST" if body else "GET", path, body, {"Host": host, **(headers or {})})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_pages_get_through_with_their_host_and_bodies_whole(server):
    body = bytes(range(256)) * 10_000  # more than sockets buffer
    with plain_proxy.in_front_of(server) as proxy:
        assert ask(proxy) == (200, b"/page for video.example.org")
        assert ask(proxy, body=body) == (200, body)
        assert proxy.upgrades == 0


def test_a_stripped_request_is_answered_like_any_other(server):
    with plain_proxy.in_front_of(server, "strip") as proxy:
        assert ask(proxy, headers=SOCKET) == (200, b"/page for video.example.org")
        assert proxy.upgrades == 1


def test_a_refused_request_gets_a_403(server):
    with plain_proxy.in_front_of(server, "refuse") as proxy:
        assert ask(proxy, headers=SOCKET) == (403, b"")


def raw(proxy, timeout) -> socket.socket:
    found = socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout)
    found.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    return found


def test_a_request_that_hangs_is_never_answered(server):
    with plain_proxy.in_front_of(server, "hang") as proxy, raw(proxy, 0.3) as client, pytest.raises(TimeoutError):
        client.recv(1)


def test_what_is_let_through_talks_both_ways(server):
    with plain_proxy.in_front_of(server, "pass") as proxy, raw(proxy, 10) as client:
        client.sendall(b"hello")
        found = b""
        while chunk := client.recv(100):
            found += chunk
    assert found.startswith(b"HTTP/1.0 101")
    assert found.endswith(b"olleh")

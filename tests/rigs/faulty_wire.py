"""An HTTP proxy in front of a real server that breaks requests on demand, as networks and stores under load do.

It reads whole messages, so it cannot show what depends on the timing of packets. Only "refuse" acts on connections.
"""

import errno
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

from tests.rigs.ports import free_port

R = TypeVar("R")
BIND_SECONDS = 60
HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}
SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
NOT_IMPLEMENTED = SLOW_DOWN.replace(b"SlowDown", b"NotImplemented")
KINDS = ("hang", "reset", "unavailable", "unsupported", "truncate", "corrupt", "stall", "slow")


@dataclass
class Fault:
    """What happens to the matching requests.

    Args:
        kind: `hang` never answers; `reset` closes the connection without an answer; `unavailable` answers 503 SlowDown;
            `unsupported` answers 501 NotImplemented; `truncate` closes it after half of the body; `corrupt` changes a
            byte of the body; `stall` sends half of the body and no more; `slow` waits `seconds` before it passes the
            request on.
        method: only requests with this method; all if empty.
        key: only requests whose path contains this.
        header: only requests that have a header with this in its name.
        times: how many requests; all if negative.
        seconds: see `slow`.
    """

    kind: str
    method: str = ""
    key: str = ""
    header: str = ""
    times: int = -1
    seconds: float = 0

    def __post_init__(self) -> None:
        assert self.kind in KINDS, self.kind


class FaultyWire:
    """The proxy: listens on `port` of 127.0.0.1, over TLS if `tls` is given, and forwards to the port `target`."""

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self.target, self.tls = target, tls
        self.requests: list[tuple[str, str]] = []  # (method, path with query), in order of arrival
        self.fault: Fault | None = None
        self._lock = threading.Lock()
        self._released = threading.Event()
        self._connections: set[socket.socket] = set()
        self.port = free_port()
        self._server: ThreadingHTTPServer | None = None

    @property
    def endpoint(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> "FaultyWire":
        self._released.clear()
        wire = self
        handler = type("_BoundHandler", (_Handler,), {"wire": wire})
        self._server = bound(lambda: _Server(("127.0.0.1", self.port), handler))
        if self.tls:
            self._server.socket = self.tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Release whatever hangs, close what is open, and refuse new connections."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self._connections):
            with suppress(OSError):  # just closed
                connection.shutdown(socket.SHUT_RDWR)

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Refuse connections for the length of the block."""
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def broken(self, kind: str, **options: object) -> Iterator[Fault]:
        """Break requests for the length of the block; what hangs then is released."""
        self.fault = Fault(kind, **options)
        try:
            yield self.fault
        finally:
            self.fault = None
            self._released.set()
            self._released = threading.Event()

    def take(self, method: str, path: str, headers: Iterable[str]) -> Fault | None:
        """Record a request and return the fault that it meets."""
        with self._lock:
            self.requests.append((method, path))
            fault = self.fault
            if fault is None or not fault.times or fault.method not in ("", method) or fault.key not in path:
                return None
            if not any(fault.header in name.lower() for name in headers):
                return None
            fault.times -= 1
            return fault

    def wait_for_release(self) -> None:
        self._released.wait(600)


def bound(bind: Callable[[], R]) -> R:
    """Return `bind()`. While the port was free, some connection may have got it as its own; that one ends."""
    deadline = time.monotonic() + BIND_SECONDS
    while True:
        try:
            return bind()
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_arguments: object) -> None:
        """Say nothing: clients that give up are what the faults are for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: FaultyWire

    def setup(self) -> None:
        super().setup()
        self.wire._connections.add(self.connection)

    def finish(self) -> None:
        self.wire._connections.discard(self.connection)
        super().finish()

    def _pass_on(self) -> None:
        body = self._body()
        fault = self.wire.take(self.command, self.path, self.headers)
        kind = fault.kind if fault else ""
        if kind == "slow":
            time.sleep(fault.seconds)
        if kind in ("unavailable", "unsupported"):
            status, text = (503, SLOW_DOWN) if kind == "unavailable" else (501, NOT_IMPLEMENTED)
            self._answer(status, {"Content-Type": "application/xml", "Content-Length": str(len(text))}, text)
            return
        if kind in ("hang", "reset"):
            if kind == "hang":
                self.wire.wait_for_release()
            self.close_connection = True
            return
        self._relay(body, kind)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers of HTTP; those of S3 are inside the body
            pass
        return b"".join(parts)

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    def _relay(self, body: bytes, kind: str) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.wire.target, timeout=60)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in HOP_BY_HOP | {"expect", "content-length"}:
                connection.putheader(name, value)
        if body or self.command in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        headers = {name: value for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP}
        if self.command != "HEAD":
            headers["Content-Length"] = str(len(content))
        if kind == "corrupt" and content:
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        if kind in ("truncate", "stall"):
            content = content[: len(content) // 2]
        self._answer(answer.status, headers, b"" if self.command == "HEAD" else content)
        if kind == "stall":
            self.wire.wait_for_release()
        if kind in ("truncate", "stall"):
            self.close_connection = True

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
        self.wfile.flush()

    def log_message(self, *_arguments: object) -> None:
        pass

"""The services that several machines share: PostgreSQL and Redis, real ones, and the machines, which are `serve`s.

Each machine has a home of its own, as it would. They run on one host, so they share its name, its clock and its disk,
and no packet between them gets lost: what only happens between hosts, this cannot show.
"""

import base64
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from auravideo.server import redis_server
from tests import postgres
from tests.site import Site

_TEXT, _PING, _PONG = 1, 9, 10  # kinds of frames


class Services:
    """A PostgreSQL and a Redis server and the machines that use them.

    Args:
        folder: for Redis and the machines' homes.
        database: the URL of the database.
    """

    def __init__(self, folder: Path, database: str) -> None:
        self.folder = folder
        self.redis_socket = folder / "redis.sock"
        self.redis = redis_server.start(self.redis_socket)
        self.media = folder / "shared"
        self.environment = {
            "DATABASE_URL": database,
            "REDIS_URL": f"unix://{self.redis_socket}",
            "SECRET_KEY": "the same on every machine" * 3,
        }
        self.machines: list[Site] = []

    def machine(self, queues: str | None = None, *, only: str | None = None, **environment: str) -> Site:
        """Return another machine, not started yet."""
        home = self.folder / f"machine-{len(self.machines)}"
        self.machines.append(Site(home, queues, only=only, **self.environment, **environment))
        return self.machines[-1]

    def stop(self) -> None:
        for machine in self.machines:
            if machine.process is not None:
                machine.stop()
        self.redis.kill()
        self.redis.wait()


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """Yield the services; they and the machines stop with the block."""
    with ExitStack() as stack:
        found = Services(folder, stack.enter_context(postgres.running()))
        stack.callback(found.stop)
        yield found


class Socket:
    """A WebSocket to a site, as a signed-in browser opens it: RFC 6455, text frames from the server only.

    Args:
        url: the address of the site.
        path: of the socket.
        session: the value of the session cookie.
        tls: the authorities to trust, if the address is one with https.
    """

    def __init__(self, url: str, path: str, session: str, tls: ssl.SSLContext | None = None) -> None:
        address = urlsplit(url)
        host, port = address.hostname or "", address.port or (443 if tls else 80)
        self._socket = socket.create_connection((host, port), timeout=30)
        if tls:
            self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        self._stream = self._socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {path} HTTP/1.1", f"Host: {address.netloc}", "Upgrade: websocket", "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", f"Origin: {url}", f"Cookie: sessionid={session}",
        ]  # fmt: skip
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = self._stream.readline()
        assert b" 101 " in status, status
        while self._stream.readline().strip():
            continue

    def receive(self) -> str:
        """Return the next text message. Raises TimeoutError after 30 seconds, ConnectionError if the server is gone."""
        while True:
            kind, payload = self._read()
            if kind == _TEXT:
                return payload.decode()
            if kind == _PING:  # or the server takes us for gone
                self._socket.sendall(bytes([0x80 | _PONG, 0x80 | len(payload)]) + bytes(4) + payload)

    def _read(self) -> tuple[int, bytes]:
        """Return the kind and the content of the next frame."""
        head = self._stream.read(2)
        if len(head) < 2:
            raise ConnectionError("the server closed the connection")
        first, second = head
        assert first & 0x80 and not second & 0x80, "this reads whole, unmasked frames only"
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(self._stream.read(2 if length == 126 else 8), "big")
        return first & 0x0F, self._stream.read(length)

    def __enter__(self) -> "Socket":
        return self

    def __exit__(self, _type: type | None, _value: BaseException | None, _traceback: TracebackType | None) -> None:
        with closing(self._socket):
            self._stream.close()

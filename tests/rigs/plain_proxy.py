"""A proxy that knows nothing of WebSockets, like many in companies: pages get through, sockets do not.

It serves one request per connection and keeps the Host header, and is no faster or slower than the site behind it.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Behaviour = Literal["strip", "refuse", "hang", "pass"]
REFUSAL = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
HOP_BY_HOP = (b"connection", b"upgrade", b"keep-alive")


class PlainProxy:
    """Listens on `port` of 127.0.0.1 and forwards to the port `target`.

    `on_upgrade` is what it does with a request for a WebSocket: `strip` passes it on as an ordinary request, like nginx
    without a configuration for it; `refuse` answers 403; `hang` never answers; `pass` lets it through.
    """

    def __init__(self, target: int, on_upgrade: Behaviour = "strip") -> None:
        self.target = target
        self.on_upgrade: Behaviour = on_upgrade
        self.upgrades = 0  # that browsers asked for
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._ended = threading.Event()

    def serve(self) -> None:
        while not self._ended.is_set():
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(client,), daemon=True).start()

    def stop(self) -> None:
        self._ended.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for found in list(self._open):
            with suppress(OSError):
                found.shutdown(socket.SHUT_RDWR)

    def _handle(self, client: socket.socket) -> None:
        self._open.add(client)
        try:
            with client, suppress(OSError):
                self._answer(client)
        finally:
            self._open.discard(client)

    def _answer(self, client: socket.socket) -> None:
        head, rest = _read_head(client)
        if not head:
            return
        behaviour: Behaviour = "strip"
        if b"upgrade: websocket" in head.lower():
            self.upgrades += 1
            behaviour = self.on_upgrade
        if behaviour == "refuse":
            client.sendall(REFUSAL)
        elif behaviour == "hang":
            self._ended.wait()
        else:
            with socket.create_connection(("127.0.0.1", self.target)) as server:
                server.sendall((_plain(head) if behaviour == "strip" else head) + rest)
                threading.Thread(target=_pump, args=(client, server), daemon=True).start()
                _pump(server, client)


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    """Return the head of a request with its blank line, and what followed it; nothing if the client left."""
    found = b""
    while b"\r\n\r\n" not in found:
        chunk = client.recv(65536)
        if not chunk:
            return b"", b""
        found += chunk
    head, _, rest = found.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _plain(head: bytes) -> bytes:
    """Return a head without the headers that concern one connection only."""
    first, *headers = head.rstrip(b"\r\n").split(b"\r\n")
    kept = [line for line in headers if line.partition(b":")[0].strip().lower() not in HOP_BY_HOP]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", b""])


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def in_front_of(port: int, on_upgrade: Behaviour = "strip") -> Iterator[PlainProxy]:
    """Yield a running proxy in front of a server on this machine."""
    proxy = PlainProxy(port, on_upgrade)
    threading.Thread(target=proxy.serve, daemon=True).start()
    try:
        yield proxy
    finally:
        proxy.stop()

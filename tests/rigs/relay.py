"""A rig: a wire to a service that can be cut. It listens on a TCP port and passes bytes on to a socket of this machine.

While it is cut, connections are refused and open ones are closed, as if the server were gone. While it is silent,
they stay open, and nothing comes through until it ends. What it cannot show: the server itself forgets nothing, and no
packet is lost for good.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.rigs.faulty_wire import bound
from tests.rigs.ports import free_port


class Relay:
    """The wire. `port` of 127.0.0.1 is its end, also after it was cut."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.port = free_port()
        self._open: set[socket.socket] = set()
        self._flows = threading.Event()
        self._flows.set()
        self._server: socket.socket | None = None
        self._connect()

    @contextmanager
    def cut(self) -> Iterator[None]:
        """Cut the wire for the length of the block."""
        self._disconnect()
        try:
            yield
        finally:
            self._connect()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Hold back every byte for the length of the block, as a network does that loses every packet."""
        self._flows.clear()
        try:
            yield
        finally:
            self._flows.set()

    def close(self) -> None:
        self._disconnect()

    def _connect(self) -> None:
        self._server = bound(lambda: socket.create_server(("127.0.0.1", self.port)))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def _disconnect(self) -> None:
        for end in (self._server, *list(self._open)):
            with suppress(OSError):  # a listening socket wakes up its `accept`
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _address = server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            try:
                far.connect(str(self.target))
            except OSError:
                near.close()
                continue
            self._open |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
        for end in (source, sink):
            self._open.discard(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

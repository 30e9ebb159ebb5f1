"""A rig: another machine. A network namespace of its own, which reaches this one only at the addresses that we forward,
and a view of the disk in which given folders are empty. Needs root.

What it cannot show: latency, bandwidth and failures of a real network; another kernel, clock or user.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

Target = tuple[str, int] | Path  # a TCP address, or the path of a socket


class OtherMachine:
    """The machine. `here` is the address under which it reaches this one."""

    def __init__(self, name: str, here: str, listeners: contextlib.ExitStack) -> None:
        self.name, self.here = name, here
        self._listeners = listeners

    def open_port(self, target: Target) -> int:
        """Let it reach a service of this machine. Return the port at `here`, where nothing else listens."""
        server = self._listeners.enter_context(socket.create_server((self.here, 0)))
        threading.Thread(target=_serve, args=(server, target), daemon=True).start()
        return server.getsockname()[1]

    def prefix(self, *hidden: Path) -> tuple[str, ...]:
        """Return what to put before a command to run it there; it finds the `hidden` folders empty."""
        mounts = " && ".join(f"mount -t tmpfs none '{folder}'" for folder in hidden)
        return (
            "ip",
            "netns",
            "exec",
            self.name,
            "unshare",
            "--mount",
            "sh",
            "-c",
            f'{mounts or "true"} && exec "$@"',
            "sh",
        )


@contextlib.contextmanager
def running() -> Iterator[OtherMachine]:
    """Yield a machine that is gone with the block, as are its network devices."""
    tag, number = secrets.token_hex(3), secrets.randbelow(16_000)
    name, outside, inside = f"av-{tag}", f"av-{tag}-o", f"av-{tag}-i"
    network = f"10.{200 + number // 4096}.{number // 16 % 256}"
    here, there = f"{network}.{number % 16 * 4 + 1}", f"{network}.{number % 16 * 4 + 2}"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
        _ip("address", "add", f"{here}/30", "dev", outside)
        _ip("link", "set", outside, "up")
        _ip("-n", name, "address", "add", f"{there}/30", "dev", inside)
        _ip("-n", name, "link", "set", inside, "up")
        _ip("-n", name, "link", "set", "lo", "up")
        with contextlib.ExitStack() as listeners:
            yield OtherMachine(name, here, listeners)
    finally:
        # The kernel would delete the pair of devices with the namespace, but some time later.
        subprocess.run(["ip", "link", "delete", outside], check=False, stderr=subprocess.DEVNULL)
        _ip("netns", "delete", name)


def is_possible() -> bool:
    """Return whether this process may make namespaces; root in a container often may not."""
    if os.getuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "--net", "--mount", "true"], check=False, capture_output=True).returncode == 0


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _serve(server: socket.socket, target: Target) -> None:
    with contextlib.suppress(OSError):  # the listener was closed
        while True:
            visitor, _address = server.accept()
            threading.Thread(target=_join, args=(visitor, target), daemon=True).start()


def _join(visitor: socket.socket, target: Target) -> None:
    with visitor, contextlib.suppress(OSError), _connect(target) as service:
        back = threading.Thread(target=_copy, args=(service, visitor), daemon=True)
        back.start()
        _copy(visitor, service)
        back.join()


def _connect(target: Target) -> socket.socket:
    if isinstance(target, Path):
        service = socket.socket(socket.AF_UNIX)
        service.connect(str(target))
        return service
    return socket.create_connection(target)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 18):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)

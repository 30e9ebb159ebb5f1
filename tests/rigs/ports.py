"""Ports for servers of tests: free, and still theirs after the server has been away for a while.

A port that the kernel chooses (bind to 0) comes from the range that it also takes for outgoing connections. Once its
server is down, any of them may get it for as long as it lives, and the server cannot come back. Those here are below.
"""

import random
import socket
from contextlib import ExitStack, suppress
from pathlib import Path

_FIRST = 10_000
_CHOICE = random.SystemRandom()  # tests side by side must not draw the same ones from the same seed


def free_ports(count: int) -> list[int]:
    """Return different TCP ports of 127.0.0.1 on which nobody listens."""
    with ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            with suppress(OSError):
                port = _CHOICE.randrange(_FIRST, _first_of_connections())
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                found.append(port)
        return found


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 on which nobody listens."""
    return free_ports(1)[0]


def _first_of_connections() -> int:
    """Return the first port that the kernel gives to outgoing connections."""
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except OSError:
        return 32768  # Linux's default; others begin later

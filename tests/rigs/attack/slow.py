"""Clients that take their time: half a header, a body by drops, answers that nobody reads."""

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.target import Target
from tests.rigs.attack.wire import Client, seconds_of

EACH = 40
PATIENCE = 75  # seconds, by which time the site has cut off who sends too slowly
OTHERS_SECONDS = 10.0  # longest wait of another visitor, on a machine that is busy otherwise


@dataclass(frozen=True)
class Held:
    """Whether a connection was still open at the end, and how long another visitor waited at most."""

    is_open: bool
    others_waited: float
    may_stay: bool = False


@judge(
    condemns=[Held(True, 0.1), Held(False, 60.0), Held(True, 60.0, may_stay=True)],
    acquits=[Held(False, 0.2), Held(True, 0.2, may_stay=True)],
)
def held(evidence: Held) -> str:
    """Condemn a connection that was never cut off, and one beside which others had to wait."""
    if evidence.others_waited > OTHERS_SECONDS:
        return f"made others wait {evidence.others_waited:.1f} s"
    return "is held open" if evidence.is_open and not evidence.may_stay else ""


def beginnings(host: str) -> dict[str, bytes]:
    """Return what slow clients send at first; those whose answer is not read have sent everything."""
    post = f"POST /create/ HTTP/1.1\r\nHost: {host}\r\n"
    return {
        "half a header": f"GET /help/ HTTP/1.1\r\nHost: {host}\r\nX: ".encode(),
        "a body by drops": f"{post}Content-Length: 9000\r\n\r\n".encode(),
        "chunks by drops": f"{post}Transfer-Encoding: chunked\r\n\r\n".encode(),
        "nothing": b"",
        "an answer that is not read": f"GET /static/css/auravideo.css HTTP/1.1\r\nHost: {host}\r\n\r\n".encode() * 20,
    }


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield connections that were opened together and then fed by drops, judged when the site's patience has ended."""
    results: list[tuple[str, Held]] = []
    for number, (name, is_open, waited) in enumerate(_drip(target)):
        results.append((f"connection {number} sends {name}", Held(is_open, waited, name in _NEED_NOT_END)))
    for description, evidence in results:
        yield Attempt(description, lambda evidence=evidence: evidence, held)


# The site ends neither of these at once: both cost a socket only, and the answers are in the system's buffers.
_NEED_NOT_END = ("nothing", "an answer that is not read")


def _drip(target: Target) -> list[tuple[str, bool, float]]:
    """Return name, whether still open, and the longest wait of another visitor, for each connection."""
    with contextlib.ExitStack() as stack:
        clients = []
        for name, beginning in beginnings(target.host).items():
            for _ in range(EACH):
                client = stack.enter_context(socket.create_connection(("127.0.0.1", target.port), timeout=30))
                client.sendall(beginning)
                clients.append((name, client))
        waited, ended = 0.0, set()
        deadline = time.monotonic() + PATIENCE
        dripping = [client for name, client in clients if name not in _NEED_NOT_END]
        while time.monotonic() < deadline and len(ended) < len(dripping):
            ended |= {client for client in dripping if client not in ended and not _feed(client)}
            waited = max(waited, seconds_of(lambda: Client(target.port, source="127.0.0.99").get("/help/")))
            time.sleep(1)
        return [(name, client not in ended, waited) for name, client in clients]


def _feed(client: socket.socket) -> bool:
    """Send another byte; return whether the connection is still open."""
    try:
        client.sendall(b"1")
        client.setblocking(False)
        client.recv(100)  # an answer, or the end
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        client.setblocking(True)

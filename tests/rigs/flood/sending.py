"""Requests at a fixed rate, however slowly they are answered, and what became of each.

An open loop: the next request is sent when it is due, not when the last one was answered, so that a site that slows
down gets no mercy. Each has a connection of its own. One process sends all; `late` tells how far it fell behind.
"""

import asyncio
import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

SECONDS = 30  # until an answer is given up
NO_ANSWER = 0  # the status of a connection that was refused, closed or silent
READ_BYTES = 4 * 2**20  # of one answer; downloads are larger


@dataclass(frozen=True)
class Request:
    """One request, down to its bytes. `source` is the address of this machine that it comes from."""

    kind: str
    method: str
    path: str
    source: str = "127.0.0.1"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def bytes_for(self, port: int) -> bytes:
        headers = [("Host", f"127.0.0.1:{port}"), *self.headers]
        if "Connection" not in dict(headers):
            headers.append(("Connection", "close"))
        if self.method == "POST":
            headers.append(("Content-Length", str(len(self.body))))
        lines = [f"{self.method} {self.path} HTTP/1.1", *map(": ".join, headers)]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


@dataclass
class Tally:
    """What became of the requests of one kind: how many had which status, and how long each took, in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def sent(self) -> int:
        return self.statuses.total()

    @property
    def errors(self) -> int:
        """Return how many got an error of the site's, apart from 503, which says that it is busy."""
        return sum(count for status, count in self.statuses.items() if status >= 500 and status != 503)

    def add(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.seconds.append(seconds)

    def percentile(self, percent: float) -> float:
        """Return the least time within which `percent` of the requests had ended; 0 if there were none."""
        if not self.seconds:
            return 0.0
        ordered = sorted(self.seconds)
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass
class Flood:
    """The tallies of a flood by kind, and by how many seconds its latest request missed its moment."""

    tallies: dict[str, Tally] = field(default_factory=dict)
    late: float = 0.0

    @property
    def all(self) -> Tally:
        found = Tally()
        for tally in self.tallies.values():
            found.statuses.update(tally.statuses)
            found.seconds += tally.seconds
        return found


async def flood(port: int, requests: Sequence[Request], rate: float, seconds: float) -> Flood:
    """Send `requests` in turn, over and over, `rate` a second, for `seconds`. Return once all have ended."""
    found = Flood({request.kind: Tally() for request in requests})
    begun, tasks = time.monotonic(), []
    for number in range(round(rate * seconds)):
        due = begun + number / rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        found.late = max(found.late, time.monotonic() - due)
        request = requests[number % len(requests)]
        tasks.append(asyncio.create_task(_counted(port, request, found.tallies[request.kind])))
    await asyncio.gather(*tasks)
    return found


async def one_after_the_other(
    port: int, requests: Iterable[Request], every: float, until: Callable[[], bool]
) -> dict[str, Tally]:
    """Send the requests as a person does: the next one when the last was answered, and no more often than `every`."""
    found: dict[str, Tally] = {}
    for request in requests:
        if until():
            break
        begun = time.monotonic()
        await _counted(port, request, found.setdefault(request.kind, Tally()))
        await asyncio.sleep(max(0.0, begun + every - time.monotonic()))
    return found


async def _counted(port: int, request: Request, tally: Tally) -> None:
    begun = time.monotonic()
    status = NO_ANSWER
    with contextlib.suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
        async with asyncio.timeout(SECONDS):
            status = await status_of(port, request)
    tally.add(status, time.monotonic() - begun)


async def status_of(port: int, request: Request) -> int:
    """Return the status of the answer to a request, once all of it has arrived.

    Raises OSError or IncompleteReadError if there is none, and TimeoutError from whoever bounds the time.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(request.source, 0))
    try:
        writer.write(request.bytes_for(port))
        head = await reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status != 101:
            await _read(reader)
        return status
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> None:
    size = 0
    while size < READ_BYTES and (data := await reader.read(2**16)):
        size += len(data)

"""The flood sends what it says, when it says, and counts what really came back."""

import asyncio
import time
from collections import Counter
from contextlib import asynccontextmanager

import pytest

from tests.rigs.flood.sending import Flood, Request, Tally, flood, one_after_the_other


class Server:
    """Answers by what the path says: /STATUS/MILLISECONDS, or /hangs-up. Counts what it was asked for."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.at: list[float] = []
        self.from_: set[str] = set()
        self.most = self.now = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        self.at.append(time.monotonic())
        self.from_.add(writer.get_extra_info("peername")[0])
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        path = head.split()[1]
        self.asked[path] += 1
        if path != "/hangs-up":
            status, milliseconds = map(int, path.strip("/").split("/"))
            await asyncio.sleep(milliseconds / 1000)
            writer.write(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 2\r\n\r\nok".encode())
        self.now -= 1
        writer.close()


@asynccontextmanager
async def running():
    server = Server()
    listening = await asyncio.start_server(server, "127.0.0.1", 0)
    try:
        yield server, listening.sockets[0].getsockname()[1]
    finally:
        listening.close()


def get(path: str, kind: str = "") -> Request:
    return Request(kind or path, "GET", path, source="127.0.0.9")


async def test_every_answer_is_counted_as_it_came():
    async with running() as (server, port):
        found = await flood(port, [get("/200/0"), get("/429/0"), get("/500/0"), get("/hangs-up")], rate=100, seconds=1)
    assert server.asked == {"/200/0": 25, "/429/0": 25, "/500/0": 25, "/hangs-up": 25}
    assert {kind: dict(tally.statuses) for kind, tally in found.tallies.items()} == {
        "/200/0": {200: 25},
        "/429/0": {429: 25},
        "/500/0": {500: 25},
        "/hangs-up": {0: 25},
    }
    assert (found.all.sent, found.all.errors, len(found.all.seconds)) == (100, 25, 100)
    assert server.from_ == {"127.0.0.9"}


async def test_the_next_request_does_not_wait_for_the_last_answer():
    async with running() as (server, port):
        await flood(port, [get("/200/600")], rate=50, seconds=0.6)
    assert server.asked.total() == 30
    assert server.most > 20  # at a time
    assert max(server.at) - min(server.at) == pytest.approx(0.58, abs=0.3)


async def test_times_are_those_until_the_whole_answer_is_there():
    async with running() as (_server, port):
        found = await flood(port, [get("/200/0", "fast"), get("/200/300", "slow")], rate=20, seconds=1)
    assert found.tallies["fast"].percentile(50) < 0.2
    assert 0.3 <= found.tallies["slow"].percentile(50) < 0.6


async def test_a_person_sends_one_request_after_the_other():
    end = time.monotonic() + 1
    async with running() as (server, port):
        pages = (get(path) for path in ["/200/150", "/200/0"] * 50)
        found = await one_after_the_other(port, pages, 0.1, lambda: time.monotonic() >= end)
    assert server.most == 1
    assert 5 <= Flood(found).all.sent <= 9  # 150 and 100 ms in turn


def test_percentiles_are_times_that_were_measured():
    tally = Tally()
    for milliseconds in range(1, 101):
        tally.add(200, milliseconds / 1000)
    assert [tally.percentile(percent) for percent in (50, 95, 100)] == [0.050, 0.095, 0.100]
    assert Tally().percentile(95) == 0

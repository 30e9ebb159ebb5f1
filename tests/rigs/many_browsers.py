"""A rig: what many browsers do to a site at once, in one process: open the WebSocket of a page, and post forms.

A few lines of HTTP and of RFC 6455 instead of browsers, of which a machine can run a handful. They send what a browser
sends (cookies, Origin, masked frames) and answer pings, so the server cannot tell the difference. What they cannot show
is what happens after the arrival: the time that a page takes to merge a fragment (scripts/bench_events.py).
"""

import asyncio
import base64
import os
import struct
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

CONTINUATION, TEXT, CLOSE, PING, PONG = 0, 1, 8, 9, 10
GONE = 1006  # as browsers report a connection that ended without a closing frame


@dataclass
class Answer:
    """An HTTP response: its status, its headers by lower-case name, its cookies, and its body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    cookies: dict[str, str] = field(default_factory=dict)
    body: str = ""


async def request(
    port: int, path: str, cookies: Mapping[str, str], form: Mapping[str, str] | None = None, **headers: str
) -> Answer:
    """Fetch a page, or post a form, over a connection of its own."""
    body = urlencode(form).encode() if form is not None else b""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{'GET' if form is None else 'POST'} {path} HTTP/1.1", *_common(port, cookies), "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if form is not None:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        answer = await _read_head(reader)
        answer.body = (await reader.read()).decode(errors="replace")
    finally:
        writer.close()
    return answer


def _common(port: int, cookies: Mapping[str, str]) -> list[str]:
    jar = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return [f"Host: 127.0.0.1:{port}", f"Origin: http://127.0.0.1:{port}", *([f"Cookie: {jar}"] if jar else [])]


async def _read_head(reader: asyncio.StreamReader) -> Answer:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
    answer = Answer(int(first.split()[1]))
    for name, value in (line.split(": ", 1) for line in lines if ": " in line):
        if name.lower() == "set-cookie":
            key, _, rest = value.partition("=")
            answer.cookies[key] = rest.partition(";")[0]
        answer.headers[name.lower()] = value
    return answer


class Refused(ConnectionError):
    """The server did not accept the WebSocket; `status` is that of its answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the WebSocket was refused with status {status}")
        self.status = status


class Socket:
    """The WebSocket of one page. Iterating yields its messages until it is closed; `code` says why then."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.code = GONE

    @classmethod
    async def open(cls, port: int, session: str, query: str) -> "Socket":
        """Connect to /ws/jobs/ as the user of a session. Raises Refused."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET /ws/jobs/?{query} HTTP/1.1", *_common(port, {"sessionid": session})]
        lines += ["Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        if (status := (await _read_head(reader)).status) != 101:
            writer.close()
            raise Refused(status)
        return cls(reader, writer)

    async def __aiter__(self) -> AsyncIterator[str]:
        parts: list[bytes] = []
        while True:
            try:
                is_last, kind, payload = await self._frame()
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if kind == PING:
                self._send(PONG, payload)
            elif kind == CLOSE:
                self.code = struct.unpack("!H", payload[:2])[0] if payload else self.code
                self._send(CLOSE, payload[:2])
                return
            elif kind in (TEXT, CONTINUATION):
                parts.append(payload)
                if is_last:
                    yield b"".join(parts).decode()
                    parts.clear()

    async def _frame(self) -> tuple[bool, int, bytes]:
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack("!H", await self._reader.readexactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._reader.readexactly(8))
        return bool(first & 0x80), first & 0x0F, await self._reader.readexactly(size)

    def _send(self, kind: int, payload: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))
        self._writer.write(bytes([0x80 | kind, 0x80 | len(payload)]) + mask + masked)

    def close(self) -> None:
        """Hang up without a closing frame, as a browser that was killed does."""
        self._writer.close()


async def at(moment: float) -> None:
    """Return at a time of the monotonic clock, at once if it has passed."""
    await asyncio.sleep(max(0.0, moment - time.monotonic()))

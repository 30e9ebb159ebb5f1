"""The rig sends what a browser sends, and understands what a server may send."""

import asyncio
import base64
import hashlib
import struct
from contextlib import asynccontextmanager

import pytest

from tests.rigs.many_browsers import CLOSE, CONTINUATION, PING, PONG, TEXT, Refused, Socket, request

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455


@asynccontextmanager
async def serving(handle):
    """Serve one connection with `handle(head, reader, writer)`; yield the port, and wait until it is served."""
    served = asyncio.Event()

    async def connected(reader, writer):
        await handle((await reader.readuntil(b"\r\n\r\n")).decode(), reader, writer)
        writer.close()
        served.set()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server, asyncio.timeout(60):
        yield server.sockets[0].getsockname()[1]
        await served.wait()


def frame(kind: int, payload: bytes, is_last: bool = True) -> bytes:
    size = len(payload)
    if size < 126:
        length = bytes([size])
    else:
        length = b"\x7e" + struct.pack("!H", size) if size < 2**16 else b"\x7f" + struct.pack("!Q", size)
    return bytes([(0x80 if is_last else 0) | kind]) + length + payload


async def read_frame(reader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    assert second & 0x80, "a browser masks every frame"
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(second & 0x7F)
    return first & 0x0F, bytes(byte ^ mask[n % 4] for n, byte in enumerate(payload))


async def test_a_socket_understands_every_kind_of_frame_and_answers_as_a_browser():
    heard = []

    async def handle(head, reader, writer):
        heard.append(head)
        key = next(line.partition(": ")[2] for line in head.splitlines() if line.startswith("Sec-WebSocket-Key"))
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        writer.write(f"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n\r\n".encode())
        writer.write(frame(TEXT, "kółko".encode()) + frame(PING, b"are you there"))
        writer.write(frame(TEXT, b"first ", is_last=False) + frame(CONTINUATION, b"second"))
        writer.write(frame(TEXT, b"x" * 300) + frame(TEXT, b"y" * 70_000))
        writer.write(frame(CLOSE, struct.pack("!H", 4429) + b"too many"))
        heard.extend([await read_frame(reader), await read_frame(reader)])

    async with serving(handle) as port:
        socket = await Socket.open(port, "the-session", "jobs=&language=en")
        messages = [message async for message in socket]
        assert socket.code == 4429
        socket.close()
    assert messages == ["kółko", "first second", "x" * 300, "y" * 70_000]
    assert heard[0].startswith("GET /ws/jobs/?jobs=&language=en HTTP/1.1\r\n")
    assert "Cookie: sessionid=the-session\r\n" in heard[0]
    assert f"Origin: http://127.0.0.1:{port}\r\n" in heard[0]
    assert heard[1:] == [(PONG, b"are you there"), (CLOSE, struct.pack("!H", 4429))]


async def test_a_connection_that_breaks_ends_the_messages():
    async def handle(_head, _reader, writer):
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + frame(TEXT, b"hello") + b"\x81")

    async with serving(handle) as port:
        socket = await Socket.open(port, "", "")
        assert [message async for message in socket] == ["hello"]
        assert socket.code == 1006


async def test_a_refused_socket_says_so():
    async def handle(_head, _reader, writer):
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")

    async with serving(handle) as port:
        with pytest.raises(Refused) as refused:
            await Socket.open(port, "", "")
    assert refused.value.status == 403


async def test_a_form_is_posted_with_its_cookies():
    heard = []

    async def handle(head, reader, writer):
        heard.extend([head, await reader.readexactly(len("prompt=a+heart%26"))])
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /jobs/\r\nSet-Cookie: csrftoken=abc; Path=/\r\n\r\nthere")

    async with serving(handle) as port:
        answer = await request(
            port, "/create/", {"sessionid": "s", "a": "b"}, {"prompt": "a heart&"}, HX_Request="true"
        )
    assert (answer.status, answer.cookies, answer.body) == (302, {"csrftoken": "abc"}, "there")
    assert answer.headers["location"] == "/jobs/"
    head, body = heard
    assert head.startswith("POST /create/ HTTP/1.1\r\n")
    assert "Cookie: sessionid=s; a=b\r\n" in head
    assert "HX-Request: true\r\n" in head
    assert body == b"prompt=a+heart%26"

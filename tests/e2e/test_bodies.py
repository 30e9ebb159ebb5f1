"""Nobody makes the site hold what nobody asked for: bodies of any kind, on a real site."""

import http.client
import os
import socket
import time
from pathlib import Path

import pytest

from tests.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.thorough]

MEGABYTE = b"x" * 2**20
FLAT_MB = 60  # more than the first requests take, for templates and translations


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("bodies") / "home", queues="").start()
    yield site
    assert site.stop() == 0


def daphne_of(site) -> int:
    return next(pid for pid in site.processes() if b"daphne" in Path(f"/proc/{pid}/cmdline").read_bytes())


def megabytes(pid: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def post(site, path: str, megabytes_sent: int, *, is_chunked: bool) -> bytes:
    """Send a body, as far as the site lets us; return what it answered."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as client:
        length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {megabytes_sent * 2**20}"
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n{length}\r\n\r\n".encode())
        try:
            for _ in range(megabytes_sent):
                client.sendall(b"%x\r\n%b\r\n" % (len(MEGABYTE), MEGABYTE) if is_chunked else MEGABYTE)
            client.sendall(b"0\r\n\r\n" if is_chunked else b"")
        except OSError:
            pass
        answer = b""
        while b"\r\n\r\n" not in answer and (data := client.recv(4096)):
            answer += data
        return answer


@pytest.mark.parametrize("is_chunked", [True, False])
@pytest.mark.parametrize(
    "path", ["/healthz", "/metrics", "/static/css/auravideo.css", "/ws/jobs/", "/no/such/page", "/create/many/", "/"]
)
def test_a_body_of_400_mb_is_refused_and_takes_no_memory(web, path, is_chunked):
    pid = daphne_of(web)
    post(web, path, 1, is_chunked=is_chunked)
    before = megabytes(pid)
    answer = post(web, path, 400, is_chunked=is_chunked)
    assert answer.startswith(b"HTTP/1.1 413 "), answer
    assert megabytes(pid) - before < FLAT_MB


def test_slow_headers_and_slow_bodies_are_cut_while_others_are_served(web):
    started = time.monotonic()
    slow = []
    for beginning in (b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"):
        for _ in range(50):
            client = socket.create_connection(("127.0.0.1", web.port), timeout=60)
            client.sendall(beginning)
            slow.append(client)
    waiting = list(slow)
    while waiting and time.monotonic() - started < 60:
        for client in list(waiting):
            try:
                client.sendall(b"x")
                client.setblocking(False)
                if client.recv(100).startswith(b"HTTP/1.1 408 "):
                    waiting.remove(client)
            except BlockingIOError:
                pass
            finally:
                client.setblocking(True)
        quick = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
        quick.request("GET", "/healthz/live")
        assert quick.getresponse().status == 200
        quick.close()
        time.sleep(1)
    assert not waiting
    for client in slow:
        client.close()

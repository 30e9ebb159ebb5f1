"""Bodies that are longer than an address takes, or not what their headers say."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.target import Target
from tests.rigs.attack.wire import megabytes, raw

PATHS = (
    *("/", "/help/", "/healthz", "/healthz/live", "/metrics", "/static/css/auravideo.css", "/no/such/page"),
    *("/accounts/login/", "/create/", "/create/many/", "/create/from-file/", "/admin/login/", "/ws/jobs/"),
)
FLAT_MB = 60  # more than the first requests take, for templates and translations
LONG = 96  # MiB, more than any address takes
INNER = "smuggled-7f3a"


@dataclass(frozen=True)
class Sent:
    """What came back, how many megabytes the web process has grown by, and whether the site still answers."""

    answer: bytes
    grown: float = 0.0
    is_alive: bool = True

    @property
    def statuses(self) -> list[int]:
        """Return the status of every response in the answer."""
        return [int(part[2:5]) for part in self.answer.split(b"HTTP/1.")[1:] if part[2:5].isdigit()]


@judge(
    condemns=[
        Sent(b"HTTP/1.1 200 OK\r\n\r\n"),
        Sent(b"HTTP/1.1 413 Large\r\n\r\n", grown=300),
        Sent(b"HTTP/1.1 413 Large\r\n\r\n", is_alive=False),
        Sent(b"HTTP/1.1 500 Error\r\n\r\n"),
    ],
    acquits=[Sent(b"HTTP/1.1 413 Too Large\r\n\r\n"), Sent(b"")],
)
def swallowed(sent: Sent) -> str:
    """Condemn a body that was taken although it is too long, memory that it took, and a site that has stopped."""
    if not sent.is_alive:
        return "stopped the site"
    if sent.grown > FLAT_MB:
        return f"took {sent.grown:.0f} MB"
    wrong = [status for status in sent.statuses if status not in (400, 403, 404, 405, 408, 413, 429, 503)]
    return f"was answered with {wrong}" if wrong else ""


@judge(
    condemns=[
        Sent(b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 404 No\r\n\r\n" + INNER.encode()),
        Sent(b"HTTP/1.1 200 OK\r\n\r\n1HTTP/1.1 200 OK\r\n\r\n2"),
        Sent(b"HTTP/1.1 500 Error\r\n\r\n"),
        Sent(b"", is_alive=False),
    ],
    acquits=[Sent(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Sent(b"HTTP/1.1 403 No\r\n\r\n")],
)
def smuggled(sent: Sent) -> str:
    """Condemn a request inside another's body that was answered too, a crash, and a site that has stopped."""
    if not sent.is_alive:
        return "stopped the site"
    statuses = sent.statuses
    if 500 in statuses:
        return "crashed"
    return f"was answered as {len(statuses)} requests: {statuses}" if len(statuses) > 1 else ""


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield bodies that are too long for every kind of address, then contradictory and malformed framing."""
    for path in PATHS:
        for name, sent in _long(target, path).items():
            yield Attempt(f"POST {path} with {name}", _send(target, sent), swallowed)
    for path in PATHS:
        for name, sent in _malformed(target, path).items():
            yield Attempt(f"POST {path} with {name}", _send(target, sent), smuggled)


def _head(target: Target, path: str, *headers: str, method: str = "POST") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {target.host}", *headers, "", ""]).encode("latin1")


def _long(target: Target, path: str) -> dict[str, bytes]:
    size = LONG * 2**20
    chunk = b"%x\r\n%b\r\n" % (2**20, b"x" * 2**20)
    chunked, form = "Transfer-Encoding: chunked", "Content-Type: application/x-www-form-urlencoded"
    return {
        "a length beyond the limit": _head(target, path, f"Content-Length: {size}") + b"x" * 2**20,
        "a length of 2^63": _head(target, path, f"Content-Length: {2**63}") + b"x" * 1000,
        "a form beyond the limit": _head(target, path, form, f"Content-Length: {size}") + b"a=" + b"x" * 2**20,
        "chunks beyond the limit": _head(target, path, chunked) + chunk * LONG + b"0\r\n\r\n",
        "a form in chunks": _head(target, path, form, chunked) + chunk * LONG + b"0\r\n\r\n",
        "a length beyond the limit of 100-continue": _head(
            target, path, "Expect: 100-continue", f"Content-Length: {size}"
        ),
    }


def _malformed(target: Target, path: str) -> dict[str, bytes]:
    inner = f"GET /{INNER} HTTP/1.1\r\nHost: {target.host}\r\n\r\n".encode()
    chunked = "Transfer-Encoding: chunked"
    length = f"Content-Length: {len(inner) + 5}"
    closing = "Connection: close"
    return {
        "both kinds of length": _head(target, path, length, chunked) + b"0\r\n\r\n" + inner,
        "the other order": _head(target, path, chunked, length) + b"0\r\n\r\n" + inner,
        "two lengths": _head(target, path, "Content-Length: 5", f"Content-Length: {len(inner)}") + inner,
        "two lengths in one": _head(target, path, f"Content-Length: 5, {len(inner)}") + inner,
        "a negative length": _head(target, path, "Content-Length: -1") + inner,
        "a signed length": _head(target, path, f"Content-Length: +{len(inner)}", closing) + inner,
        "a length in hexadecimal": _head(target, path, "Content-Length: 0x5") + inner,
        "a length with digits of another script": _head(target, path, "Content-Length: \xb2") + inner,
        "an unknown coding": _head(target, path, "Transfer-Encoding: xchunked") + b"0\r\n\r\n" + inner,
        "a coding after another": _head(target, path, "Transfer-Encoding: gzip, chunked") + b"0\r\n\r\n" + inner,
        "a coding with a tab": _head(target, path, "Transfer-Encoding:\tchunked", length) + b"0\r\n\r\n" + inner,
        "a coding before a colon with space": _head(target, path, "Transfer-Encoding : chunked", length)
        + b"0\r\n\r\n"
        + inner,
        "a negative chunk": _head(target, path, chunked) + b"-1\r\n" + inner,
        "a huge chunk": _head(target, path, chunked) + b"f" * 40 + b"\r\n" + inner,
        "a long chunk extension": _head(target, path, chunked) + b"1;" + b"x" * 70_000 + b"\r\na\r\n0\r\n\r\n",
        "endless trailers": _head(target, path, chunked) + b"0\r\n" + b"a: b\r\n" * 20_000,
        "bare line feeds": _head(target, path, closing).replace(b"\r\n", b"\n") + inner,
        "a folded header": _head(target, path, "X: a\r\n b", "Content-Length: 0", closing),
        "a header without a name": _head(target, path, ": x", "Content-Length: 0", closing),
        "10,000 headers": _head(target, path, *(f"X-{number}: x" for number in range(10_000))),
        "a header of 1 MB": _head(target, path, "X: " + "x" * 2**20),
        "an address of 200 KB": _head(target, path + "?" + "x" * 200_000, closing),
        "a NUL in the address": _head(target, path + "\x00", closing),
        "another version": _head(target, path, closing).replace(b"HTTP/1.1", b"HTTP/9.9"),
        "no host": f"POST {path} HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode(),
        "an absolute address of another site": _head(
            target, f"http://evil.example{path}", "Content-Length: 0", closing
        ),
        "an unknown method": _head(target, path, "Content-Length: 0", closing, method="A" * 500),
    }


def _send(target: Target, sent: bytes):
    def act() -> Sent:
        before = megabytes(target.pid)
        answer = raw(target.port, sent, seconds=3)
        grown = megabytes(target.pid) - before
        alive = raw(
            target.port, f"GET /healthz/live HTTP/1.1\r\nHost: {target.host}\r\nConnection: close\r\n\r\n".encode(), 30
        )
        return Sent(answer, grown, alive.startswith(b"HTTP/1.1 200"))

    return act

"""Requests as an attacker writes them: any header, from any address of this machine, down to single bytes."""

import contextlib
import http.client
import os
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

SECONDS = 60
TOKEN = "a" * 32  # a CSRF cookie may be chosen by its browser; whoever knows it can send forms


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 if the connection was closed without an answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    cookies: tuple[str, ...] = ()

    @property
    def location(self) -> str:
        return self.headers.get("location", "")

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Client:
    """A browser without manners. `source` is the address of this machine that it connects from."""

    def __init__(self, port: int, session: str = "", source: str = "127.0.0.1", csrf: str = TOKEN) -> None:
        self.port, self.session, self.source, self.csrf = port, session, source, csrf

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request, on a connection of its own."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=SECONDS, source_address=(self.source, 0)
        )
        cookies = [f"csrftoken={self.csrf}"] * bool(self.csrf) + [f"sessionid={self.session}"] * bool(self.session)
        sent = {"Connection": "close", **({"Cookie": "; ".join(cookies)} if cookies else {}), **(headers or {})}
        try:
            _put(connection, method, path, sent, body)
            got = connection.getresponse()
            answered = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, answered, got.read(), tuple(got.headers.get_all("Set-Cookie") or ()))
        except (OSError, http.client.HTTPException):
            return Answer(0)
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, path: str, values: Mapping[str, object] | Iterable[tuple[str, object]], **headers: str) -> Answer:
        """Submit a form with a valid CSRF token."""
        pairs = [*(values.items() if isinstance(values, Mapping) else values), ("csrfmiddlewaretoken", self.csrf)]
        form = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return self.request("POST", path, urlencode(pairs, doseq=True).encode(), form)

    def upload(self, path: str, name: str, file_name: str, content: bytes, **values: str) -> Answer:
        """Submit a form with one file and a valid CSRF token."""
        values["csrfmiddlewaretoken"] = self.csrf
        body = multipart([*((key, None, value.encode()) for key, value in values.items()), (name, file_name, content)])
        return self.request("POST", path, body, {"Content-Type": "multipart/form-data; boundary=edge"})


def _put(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes | None
) -> None:
    """Send a request whose path is not checked by the client."""
    connection._validate_path = lambda _path: None
    connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
    if body is not None and not {"Content-Length", "Transfer-Encoding"} & set(headers):
        connection.putheader("Content-Length", str(len(body)))
    elif body is None and method not in ("GET", "HEAD", "OPTIONS", "TRACE"):
        connection.putheader("Content-Length", "0")
    for name, value in headers.items():
        connection.putheader(name, value.encode("utf-8"))
    connection.endheaders()
    if body:
        with contextlib.suppress(OSError):  # it was refused by its headers, and there is an answer to read
            connection.send(body)


def multipart(parts: Iterable[tuple[str, str | None, bytes]], boundary: str = "edge") -> bytes:
    """Return the body of a form: name, file name or None, and content of each part."""
    found = b""
    for name, file_name, content in parts:
        about = f'form-data; name="{name}"' + (f'; filename="{file_name}"' if file_name is not None else "")
        found += f"--{boundary}\r\nContent-Disposition: {about}\r\n\r\n".encode() + content + b"\r\n"
    return found + f"--{boundary}--\r\n".encode()


def raw(port: int, sent: bytes, seconds: float = 10) -> bytes:
    """Send bytes as they are and return everything that comes back until the site closes or is silent."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as client:
        with contextlib.suppress(OSError):
            client.sendall(sent)
        found = b""
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                found += data
        return found


def daphne_of(site) -> int:
    """Return the web process of a site that has one."""
    return next(pid for pid in site.processes() if b"daphne" in Path(f"/proc/{pid}/cmdline").read_bytes())


def cpu_seconds(pid: int) -> float:
    """Return how long a process has computed: unlike time, it is the same on a busy machine."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """Return the resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@dataclass(frozen=True)
class Cost:
    """An answer and what it took the web process: seconds of CPU, megabytes more than before."""

    answer: Answer
    seconds: float = 0.0
    grown: float = 0.0


def measured(pid: int, act) -> Cost:
    """Carry out `act`, which returns an Answer, and measure what it cost the process `pid`."""
    seconds, memory = cpu_seconds(pid), megabytes(pid)
    answer = act()
    return Cost(answer, cpu_seconds(pid) - seconds, megabytes(pid) - memory)


def seconds_of(act) -> float:
    """Return how long `act` takes."""
    started = time.monotonic()
    act()
    return time.monotonic() - started

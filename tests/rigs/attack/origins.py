"""Pages of other sites: their WebSockets, their forms, their reading of answers; and hosts that are not the site's."""

from collections.abc import Iterator

from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.target import MARK, Target
from tests.rigs.attack.wire import TOKEN, Answer, Client, raw

EVIL = "evil.example"
PATHS = (
    "/help/",
    "/accounts/password/reset/",
    "/explore/",
    "/accounts/login/",
    "/static/css/auravideo.css",
    "/healthz",
)


@judge(
    condemns=[b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 500 Internal Server Error\r\n\r\n"],
    acquits=[b"HTTP/1.1 403 Access denied\r\n\r\n", b""],
)
def opened(answer: bytes) -> str:
    """Condemn a handshake that another site's page has completed."""
    first = answer.partition(b"\r\n")[0]
    if b" 101 " in first:
        return "opened a WebSocket"
    return f"crashed: {first.decode()}" if b" 500 " in first else ""


@judge(
    condemns=[
        Answer(200, {"access-control-allow-origin": "*"}),
        Answer(200, {"access-control-allow-origin": "http://evil.example", "cache-control": "public"}),
        Answer(302, {"location": "http://evil.example/"}),
        Answer(200, {}, b'<a href="http://evil.example/accounts/">'),
        Answer(500),
    ],
    acquits=[
        Answer(400, {}, b"Bad request"),
        Answer(200, {}, b"<html>"),
        Answer(200, {"access-control-allow-origin": "*", "cache-control": "max-age=60, public"}),
    ],
)
def believed(answer: Answer) -> str:
    """Condemn an answer that lets another site read it, or that leads to a host that the client has made up."""
    readers = answer.headers.get("access-control-allow-origin")
    is_static = readers == "*" and "public" in answer.headers.get("cache-control", "")  # the same for everybody
    if readers and not is_static:
        return f"may be read by {readers}"
    if EVIL in answer.location or EVIL.encode() in answer.body:
        return "leads to the host that was made up"
    return f"crashed with {answer.status}" if answer.status in (500, 502) else ""


@judge(condemns=[Answer(200), Answer(302)], acquits=[Answer(403), Answer(400)])
def taken(answer: Answer) -> str:
    """Condemn a form of another origin that was let in."""
    return "" if answer.status in (400, 403, 404, 405) else f"was let in: {answer.status}"


def foreign(port: int) -> list[str]:
    """Return origins that are not the site's, most of them close to it."""
    own = f"127.0.0.1:{port}"
    return [
        *("null", f"http://{EVIL}", "http://127.0.0.1", f"http://127.0.0.1:{port + 1}", f"https://{own}"),
        *(f"http://localhost:{port}", f"http://{own}.{EVIL}", f"http://{own}@{EVIL}", f"ws://{own}", f"file://{own}"),
        *(own, f"http://{EVIL}#http://{own}", f"http://{EVIL}?{own}", f"http://[::1]:{port}", f"http://0.0.0.0:{port}"),
        *(
            f"http://127.0.0.1:0{port}",
            f"http://127.1:{port}",
            f"http://2130706433:{port}",
            f"http://0177.0.0.1:{port}",
        ),
        *(f"http://127.0.0.1.:{port}", f"http://127.0.0.1%00:{port}", f"http://{own}/", f"http://{own} http://{EVIL}"),
        *(
            f"chrome-extension://{own}",
            f"data:text/html,{own}",
            f"http://x.{own}",
            f"httpx://{own}",
            "*",
            "about:blank",
        ),
    ]


def hosts(port: int) -> list[str]:
    """Return Host headers that the site does not know."""
    return [
        *(EVIL, f"{EVIL}:{port}", f"127.0.0.1.{EVIL}", f"127.0.0.1@{EVIL}", f"127.0.0.1:{port}@{EVIL}", f"x.{EVIL}."),
        *(f"{EVIL}/127.0.0.1", f"{EVIL}#127.0.0.1", f"127.0.0.1, {EVIL}", f"{EVIL}\t127.0.0.1", f"[::1].{EVIL}"),
        *(
            f"127.0.0.1\\.{EVIL}",
            f'{EVIL}"><script>',
            "[::1",
            "::",
            "%00",
            f"127.0.0.1:{EVIL}",
            "xn--" + EVIL,
            "é." + EVIL,
        ),
    ]


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield sockets and forms of foreign origins, then foreign hosts in every header that may name one."""
    session = target.sessions(["owner"])[0]
    for origin in foreign(target.port):
        for path in ("/ws/jobs/", "/ws/other/"):
            for cookie in (session, ""):
                act = _handshake(target, path, origin, cookie)
                yield Attempt(f"WebSocket {path} from {origin}, session: {bool(cookie)}", act, opened)
        for path in ("/settings/theme/", "/jobs/pause/", "/create/", "/accounts/login/"):
            act = _form(Client(target.port, session), path, origin)
            yield Attempt(f"POST {path} with Origin: {origin}", act, taken)
        yield Attempt(
            f"GET /videos/ with Origin: {origin}",
            _get(Client(target.port, session), "/videos/", {"Origin": origin}),
            believed,
        )
        preflight = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        act = _get(Client(target.port), "/create/", preflight, "OPTIONS")
        yield Attempt(f"OPTIONS /create/ with Origin: {origin}", act, believed)
    for host in hosts(target.port):
        for path in PATHS:
            for header in ("Host", "X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL"):
                value = f"host={host}" if header == "Forwarded" else host
                act = _get(Client(target.port), path, {header: value})
                yield Attempt(f"GET {path} with {header}: {value!r}", act, believed)


def _handshake(target: Target, path: str, origin: str, session: str):
    head = (
        f"GET {path} HTTP/1.1\r\nHost: {target.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: {origin}\r\n"
    )
    head += f"Cookie: sessionid={session}\r\n" if session else ""
    return lambda: raw(target.port, head.encode() + b"\r\n", seconds=3)


def _form(client: Client, path: str, origin: str):
    values = {"csrfmiddlewaretoken": TOKEN, "prompt": MARK}
    return lambda: client.post(path, values, Origin=origin)


def _get(client: Client, path: str, headers: dict[str, str], method: str = "GET"):
    return lambda: client.request(method, path, headers=headers)

"""Paths out of the site's folders, ways to other sites in `next`, and damaged videos."""

import random
import struct
from collections.abc import Callable, Iterator
from urllib.parse import quote, urljoin, urlsplit

from tests.addresses import addresses
from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.bombs import stalled
from tests.rigs.attack.target import Target
from tests.rigs.attack.wire import Answer, Client, measured

# What is in files outside of what the site serves: its database, /etc/passwd, its own code, its process.
SIGNS = (b"SQLite format 3\x00", b"root:x:0:0:", b"DJANGO_SETTINGS_MODULE", b"AURAVIDEO_HOME=", b"INSTALLED_APPS = [")
OURS = "127.0.0.1:1"
A_USER = 50  # files; the site reads 60 a minute of one user


@judge(
    condemns=[
        (Answer(200, {}, b"SQLite format 3\x00..."), b"?"),
        (Answer(200, {}, b"root:x:0:0:root:/root"), b"?"),
        (Answer(200, {}, b"the-secret-key"), b"the-secret-key"),
        (Answer(500), b"?"),
    ],
    acquits=[(Answer(404), b"?"), (Answer(200, {}, b"<html>"), b"?")],
)
def escaped(evidence: tuple[Answer, bytes]) -> str:
    """Condemn an answer with a file in it that is not served, and a crash. The evidence includes the secret key."""
    answer, secret = evidence
    if secret in answer.body or any(sign in answer.body for sign in SIGNS):
        return "read a file that is not served"
    return f"crashed with {answer.status}" if answer.status in (500, 502) else ""


@judge(
    condemns=[
        Answer(302, {"location": "//evil.example/"}),
        Answer(302, {"location": "/\\evil.example/"}),
        Answer(302, {"location": "https:evil.example"}),
        Answer(302, {"location": "javascript:alert(1)"}),
        Answer(200, {"hx-redirect": "http://evil.example/"}),
        Answer(500),
    ],
    acquits=[Answer(302, {"location": "/videos/?q=evil.example"}), Answer(200)],
)
def led_away(answer: Answer) -> str:
    """Condemn an answer that takes a browser to another site, as browsers read addresses, and a crash."""
    for name in ("location", "hx-redirect", "hx-location"):
        # Browsers take backslashes for slashes and drop tabs and line feeds.
        where = answer.headers.get(name, "").replace("\\", "/").translate({9: None, 10: None, 13: None}).strip()
        where = where.replace("http:", "", 1) if where.startswith(("http:e", "http:/e")) else where
        if where and not _is_ours(where):
            return f"leads to {where}"
    return f"crashed with {answer.status}" if answer.status in (500, 502) else ""


def _is_ours(where: str) -> bool:
    scheme, _, rest = where.partition(":")
    if scheme in ("https", "http") and not rest.startswith("//"):
        return False
    while where.startswith("///"):
        where = where[1:]
    parts = urlsplit(urljoin(f"http://{OURS}/a/", where))
    return parts.scheme == "http" and parts.hostname == "127.0.0.1"


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield traversals in every path that has a parameter, hostile `next` everywhere, names of uploads and videos."""
    yield from _traversals(target)
    yield from _next(target)
    yield from _uploads(target)
    yield from _videos(target)


def ways_out() -> list[str]:
    """Return paths that lead out of a folder, as servers have been fooled by."""
    up = (
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..%252f",
        "..\\",
        "..%5c",
        "..;/",
        "%c0%ae%c0%ae/",
        "....//",
        "..%00/",
        "\u2025/",
    )
    goals = ("db.sqlite3", "secret_key", "etc/passwd")
    found = [
        quote(step, safe="%/\\;") * depth + goal for step in up for depth, goal in zip((2, 1, 9), goals, strict=True)
    ]
    return [
        *found,
        "/etc/passwd",
        "%2fetc%2fpasswd",
        "file:///etc/passwd",
        "//etc/passwd",
        "C:%5cwindows",
        "%00",
        "/proc/self/environ",
    ]


def _traversals(target: Target) -> Iterator[Attempt]:
    session = target.client("stranger")
    bases = [
        "/static/",
        "/static/css/",
        "/static/admin/",
        "/",
        "/media/",
        "/media/videos/",
        "/frames/",
        "/s/",
        "/admin/static/",
    ]
    video, token = target.values["of-ben"], target.values["token"]
    bases += [f"/videos/{video}/", f"/videos/{video}/file/", f"/s/{token}/", f"/s/{token}/file/", "/u/", "/jobs/"]
    bases += [
        address.route.partition("<")[0] for address in addresses() if address.parameters and "admin" not in address.name
    ]
    for base in dict.fromkeys(bases):
        for way in ways_out():
            yield Attempt(f"GET {base}{way}", _get(target, session, base + way), escaped)


def elsewhere() -> list[str]:
    """Return addresses of another site, in the forms that filters have missed."""
    evil = "evil.example"
    return [
        *(
            f"http://{evil}/",
            f"https://{evil}",
            f"//{evil}/",
            f"///{evil}/",
            f"////{evil}",
            f"/\\{evil}/",
            f"\\\\{evil}",
            f"\\/{evil}",
        ),
        *(
            f"/\t/{evil}",
            f"/\n/{evil}",
            f"/\r/{evil}",
            f"\t//{evil}",
            f" //{evil}",
            f"\x00//{evil}",
            f"/%09/{evil}",
            f"/%5c{evil}",
        ),
        *(
            f"https:{evil}",
            f"https:/{evil}",
            f"http:///{evil}",
            f"http:\\\\{evil}",
            f"//{evil}@127.0.0.1",
            f"//127.0.0.1@{evil}",
        ),
        *(
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            f"//{evil}%2f@127.0.0.1",
        ),
        *(
            f"/..//{evil}",
            f"/.//{evil}",
            f"/;//{evil}",
            f"//{evil}\\@127.0.0.1",
            f"http://127.0.0.1.{evil}",
            f"//\u3002{evil}",
        ),
        *(
            f"/\u2028/{evil}",
            f"/x\r\nLocation: http://{evil}",
            f"/%0d%0aLocation:%20http://{evil}",
            f"blob:http://{evil}",
            "/" * 3000 + evil,
        ),
    ]


def _next(target: Target) -> Iterator[Attempt]:
    client = target.client("stranger")
    forms = (
        "/language/setlang/",
        "/settings/theme/",
        "/videos/selected/",
        "/videos/undo/",
        "/jobs/seen/",
        "/accounts/reauthenticate/",
    )
    for address in elsewhere():
        for path in forms:
            values = {"next": address, "language": "en", "theme": "dark", "password": "x"}
            act = _post(client, path, values, {"Referer": address.strip("\r\n\x00") if address.isprintable() else "x"})
            yield Attempt(f"POST {path} next={address!r}", act, led_away)
        for path in ("/accounts/login/", "/accounts/signup/", "/accounts/reauthenticate/", "/admin/login/"):
            query = f"{path}?next={quote(address, safe='')}"
            yield Attempt(f"GET {query}", lambda query=query: client.get(query), led_away)


def _uploads(target: Target) -> Iterator[Attempt]:
    client = target.client(target.accounts(1)[0])
    goal = "taken-7f3a"
    for step in ("../", "..\\", "/", "../../media/", "%2e%2e/", "..\\..\\", "\x00/", "~/", "C:\\"):
        for name in (f"{step}{goal}.csv", f"{step * 5}tmp/{goal}"):
            for path, field in (("/create/many/", "file"), ("/create/from-file/", "video_file")):
                act = _written(target, _upload(client, path, field, name, b"prompt\nx\n"), goal)
                yield Attempt(f"POST {path} {field}={name!r}", act, wrote)


@judge(condemns=[(Answer(200), ["/home/taken"]), (Answer(500), [])], acquits=[(Answer(200), [])])
def wrote(evidence: tuple[Answer, list[str]]) -> str:
    """Condemn a file under a name that a client has chosen, and a crash."""
    answer, found = evidence
    if found:
        return f"wrote {found}"
    return f"crashed with {answer.status}" if answer.status in (500, 502) else ""


def _written(target: Target, act: Callable[[], Answer], goal: str):
    def look() -> tuple[Answer, list[str]]:
        answer = act()
        return answer, [str(path) for path in target.site.home.parent.rglob(f"*{goal}*")]

    return look


def _videos(target: Target) -> Iterator[Attempt]:
    """Yield videos of the site, damaged at random and in the places that matter."""
    samples = [
        path.read_bytes()
        for path in sorted((target.site.home / "media").rglob("*"))
        if path.suffix in (".mp4", ".webm", ".gif")
    ][:3]
    damaged = [(kind, content) for sample in samples for kind, content in damages(sample, target.chance)]
    people = target.accounts(len(damaged) // A_USER + 1)
    clients = [target.client(person) for person in people]
    for number, (kind, content) in enumerate(damaged):
        act = _upload(clients[number // A_USER], "/create/from-file/", "video_file", "clip.mp4", content)
        yield Attempt(f"POST /create/from-file/ a clip with {kind} ({number})", _cost(target, act), stalled)


def damages(sample: bytes, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield copies of a file with other bytes, lengths and ends."""
    for _ in range(60):
        copy = bytearray(sample)
        for _ in range(chance.randint(1, 30)):
            copy[chance.randrange(len(copy))] = chance.randrange(256)
        yield "other bytes", bytes(copy)
    boxes = [
        at for name in (b"moov", b"udta", b"meta", b"ilst", b"data", b"ftyp", b"trak") for at in _places(sample, name)
    ]
    for at in boxes[:8]:
        for size in (0, 1, 7, 8, 2**31 - 1, 2**31, 2**32 - 1):
            yield f"a box of {size} bytes at {at}", sample[: max(0, at - 4)] + struct.pack(">I", size) + sample[at:]
        yield f"a repeated box at {at}", sample[: at - 4] + sample[at - 4 : at + 40] * 5_000 + sample[at - 4 :]
    for length in range(0, min(len(sample), 2_000), 100):
        yield f"{length} bytes only", sample[:length]


def _places(sample: bytes, name: bytes) -> list[int]:
    at = sample.find(name)
    return [at] if at >= 4 else []


def _get(target: Target, client: Client, path: str):
    return lambda: (client.get(path), target.secret)


def _post(client: Client, path: str, values: dict[str, str], headers: dict[str, str]):
    return lambda: client.post(path, values, **headers)


def _upload(client: Client, path: str, field: str, name: str, content: bytes):
    return lambda: client.upload(path, field, name, content, aspect="1:1", seconds="2", quality="standard")


def _cost(target: Target, act: Callable[[], Answer]):
    return lambda: measured(target.pid, act)

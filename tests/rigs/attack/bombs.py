"""Small inputs that would grow: nested, repeated, compressed or endless. Whatever is sent has less than 1 MB."""

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from urllib.parse import quote

from tests.rigs.attack.attempts import Attempt, judge
from tests.rigs.attack.target import Target
from tests.rigs.attack.wire import Answer, Client, Cost, measured, multipart

MOST_SECONDS = 2.0  # of computing, for less than 1 MB
MOST_MEGABYTES = 100
A_USER = 40  # files; the site reads 60 a minute of one user


@judge(
    condemns=[Cost(Answer(200), seconds=20.0), Cost(Answer(200), grown=400.0), Cost(Answer(500)), Cost(Answer(0), 5.0)],
    acquits=[Cost(Answer(200), 0.3, 2.0), Cost(Answer(413))],
)
def stalled(cost: Cost) -> str:
    """Condemn what takes seconds of computing or much memory, and a crash."""
    if cost.answer.status in (500, 502):
        return f"crashed with {cost.answer.status}"
    if cost.seconds > MOST_SECONDS:
        return f"took {cost.seconds:.1f} s"
    return f"took {cost.grown:.0f} MB" if cost.grown > MOST_MEGABYTES else ""


def attempts(target: Target) -> Iterator[Attempt]:
    """Yield hostile files for both addresses that take some, as text too, then forms, queries and headers."""
    found = files()
    people = target.accounts(len(found) * 3 // A_USER + 1)
    for number, (name, content) in enumerate(found.items()):
        client = target.client(people[number * 3 // A_USER])
        for path, field in (("/create/many/", "file"), ("/create/from-file/", "video_file")):
            act = _upload(client, path, field, name, content)
            yield Attempt(f"POST {path} {field}={name}", _measured(target, act), stalled)
        text = content[:200_000].decode("latin1")
        act = _post(client, "/create/many/", {"lines": text, "from_file": name})
        yield Attempt(f"POST /create/many/ lines={name}", _measured(target, act), stalled)
    client = target.client(target.accounts(1)[0])
    for name, body, kind in bodies():
        for path in (
            "/create/many/",
            "/create/from-file/",
            "/create/",
            "/create/summary/",
            "/videos/selected/",
            "/accounts/login/",
        ):
            act = _body(client, path, body, kind)
            yield Attempt(f"POST {path} with {name}", _measured(target, act), stalled)
    for query in queries():
        for path in (
            "/explore/",
            "/videos/",
            "/jobs/",
            "/batches/",
            "/create/",
            "/videos/compare/",
            "/accounts/login/",
            "/oembed",
        ):
            yield Attempt(f"GET {path}?{query[:60]}", _measured(target, _get(client, f"{path}?{query}", {})), stalled)
    for name, value in headers():
        for path in ("/explore/", "/help/", "/static/css/auravideo.css", f"/videos/{target.values['of-ben']}/file/"):
            yield Attempt(
                f"GET {path} with {name}: {value[:40]}", _measured(target, _get(client, path, {name: value})), stalled
            )


def files() -> dict[str, bytes]:
    """Return hostile files by name."""
    keys = ",".join(f'"k{number}":{number}' for number in range(50_000))
    return {
        "keys.jsonl": b'{"prompt":"x",' + keys.encode() + b"}",
        "deep-list.json": b"[" * 300_000,
        "deep-object.json": b'{"prompt":' * 60_000 + b"1",
        "deep-closed.json": b"[" * 100_000 + b"]" * 100_000,
        "deep-lines.jsonl": (b'{"a":' * 900 + b"1" + b"}" * 900 + b"\n") * 90,
        "digits.json": b'[{"prompt":"x","seed":' + b"9" * 500_000 + b"}]",
        "exponent.jsonl": b'{"prompt":"x","seed":1e999999999}\n' * 10_000,
        "same-keys.jsonl": b'{"prompt":"x"' + b',"seed":1' * 80_000 + b"}",
        "surrogates.jsonl": b'{"prompt":"' + b"\\ud800" * 100_000 + b'"}',
        "escapes.jsonl": b'{"prompt":"' + b"\\\\" * 300_000 + b'"}',
        "columns.csv": b"prompt" + b",a" * 300_000 + b"\nx" + b",1" * 100_000,
        "quotes.csv": b'prompt\n"' + b'""' * 400_000,
        "open-quote.csv": b'prompt,seed\n"' + b"x\n" * 400_000,
        "semicolons.csv": b"prompt;seed\n" + b";" * 900_000,
        "lines.txt": b"x\n" * 400_000,
        "one-line.txt": b"x" * 900_000,
        "spaces.txt": b" " * 900_000,
        "returns.txt": b"\r" * 900_000,
        "separators.csv": b"sep=" + b"," * 500_000,
        "rows.csv": b"prompt,seed\n" + b"x,1\n" * 10_000,
        "rows.jsonl": b'{"prompt":"x"}\n' * 10_000,
        "wrong-rows.jsonl": b'{"prompt":"","seed":"x","width":1}\n' * 9_999,
        "joiners.txt": "\u200d".encode() * 300_000,
        "combining.txt": ("a" + "\u0301" * 300_000).encode(),
        "ligatures.txt": "\ufdfa".encode() * 300_000,
        "parentheses.txt": b"(" * 300_000 + b":1.5" + b")" * 300_000,
        "nul.csv": b"\x00" * 900_000,
        "utf-16.csv": b"\xff\xfe" + b"\x00\xd8" * 400_000,
        "zip.csv": _zip(),
        "gzip.csv": gzip.compress(b"x" * 300_000_000, 9)[:900_000],
        "image.png": _picture(),
        "image.gif": b"GIF89a\xff\xff\xff\xff\xf7\x00\x00" + b"!\xfe\xff" + b"x" * 800_000,
        "comments.gif": b"GIF89a\x01\x00\x01\x00\x00\x00\x00" + b"!\xfe\x01x\x00" * 180_000,
        "boxes.mp4": struct.pack(">I4s", 8, b"free") * 110_000,
        "nested.mp4": _nested(100_000),
        "endless.mp4": b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00isom" + struct.pack(">I4sQ", 1, b"moov", 2**63 - 1),
        "elements.webm": b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + b"\xec\x80" * 400_000,
        "svg.txt": b'<!DOCTYPE a [<!ENTITY b "' + b"c" * 1000 + b'">]><a>' + b"&b;" * 200_000,
        "yaml.txt": b"a: &a [x,x]\nb: &b [*a,*a]\n" * 30_000,
    }


def bodies() -> Iterator[tuple[str, bytes, str]]:
    """Yield hostile bodies: name, content, type."""
    form, parts = "application/x-www-form-urlencoded", "multipart/form-data; boundary=edge"
    yield "50,000 fields", b"&".join(b"a%d=" % number for number in range(50_000))[:250_000], form
    yield "50,000 times one field", (b"video=1&" * 31_000), form
    yield "only separators", b"&" * 250_000, form
    yield "percent signs", b"prompt=" + b"%" * 240_000, form
    yield "a prompt of 80,000 characters", b"prompt=" + b"%D8%80" * 40_000, form
    yield "a long number", b"seed=" + b"9" * 200_000 + b"&seconds=" + b"9" * 40_000, form
    yield "5,000 parts", multipart([("a", None, b"x")] * 3_500), parts
    yield "2,000 files", multipart([("file", "x.csv", b"x")] * 2_000), parts
    yield "a part in a part in a part", _deep_multipart(40), parts
    yield (
        "a part without an end",
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"\r\n--edg" * 30_000,
        parts,
    )
    yield "a part with 10,000 headers", b"--edge\r\n" + b"X: x\r\n" * 30_000 + b"\r\n\r\n--edge--", parts
    yield "a long name", multipart([("a" * 200_000, None, b"x")]), parts
    yield "a long file name", multipart([("file", "a" * 200_000 + ".csv", b"x")]), parts
    yield "a long boundary", b"--" + b"x" * 100_000, "multipart/form-data; boundary=" + "x" * 6_000
    yield "no boundary", b"x" * 1_000, "multipart/form-data"
    yield (
        "base64 parts",
        b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n'
        + b"Content-Transfer-Encoding: base64\r\n\r\n"
        + b"=" * 200_000
        + b"\r\n--edge--",
        parts,
    )
    yield "an unknown charset", b"prompt=x", form + "; charset=utf-7"
    yield "a charset that unpacks", gzip.compress(b"x" * 10**7), form + "; charset=zlib_codec"
    yield "compressed", gzip.compress(b"prompt=" + b"x" * 10**8), form
    yield "JSON in depth", b"[" * 200_000, "application/json"


def queries() -> list[str]:
    """Return hostile query strings."""
    long = "9" * 5_000
    values = [
        *(long, "-" + long, "1e999999", "NaN", "Infinity", "%00", "%ff%fe", "%F0%9F%98%80" * 500, '"' * 3_000),
        *("(" * 3_000, "*" * 3_000, "a*" * 1_000, "a OR " * 1_000, "NEAR(" * 500, "a " * 2_000, "%25" * 2_000),
        *(
            quote("\u202e\u200d" * 400),
            "{{7*7}}" * 100,
            "../" * 1_000,
            quote("\u0130" * 1_500),
            "0001-01-01",
            "9999-12-31",
        ),
    ]
    found = [f"{name}={value}" for name in ("q", "page") for value in values]
    found += [f"{name}={value}" for name in ("since", "sort", "tag", "after", "url") for value in values[:6]]
    return [*found, "&".join(f"a{number}=1" for number in range(3_000)), "video=1&" * 2_000, "&" * 8_000]


def headers() -> Iterator[tuple[str, str]]:
    """Yield hostile headers: name and value."""
    yield "Range", "bytes=" + ",".join(f"{number}-" for number in range(1_300))
    yield "Range", "bytes=0-" + "9" * 5_000
    yield "Range", "bytes=-" + "9" * 5_000
    yield "Accept-Language", ",".join(f"a{number};q=0.{number}" for number in range(1_000))
    yield "Accept-Language", "x-" * 4_000
    yield "Accept-Encoding", "gzip," * 2_000
    yield "Accept", "a/b;q=0." + "9" * 5_000
    yield "Cookie", "; ".join(f"a{number}=" for number in range(1_500))
    yield "Cookie", "csrftoken=" + "a" * 8_000
    yield "Cookie", "sessionid=" + "a" * 8_000
    yield "Cookie", 'messages="' + "x" * 7_000
    yield "If-None-Match", ",".join(['"a"'] * 3_000)
    yield "If-Modified-Since", "Mon, 99 " * 900
    yield "If-Range", '"' * 8_000
    yield "HX-Current-URL", "http://" + "[" * 7_000
    yield "Referer", "http://" + "a." * 4_000
    yield "Content-Type", "multipart/form-data; " + "a=b; " * 1_500
    yield "X-Forwarded-For", ",".join(["1.1.1.1"] * 1_000)
    yield "traceparent", "00-" + "f" * 8_000


def _zip() -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(8):
            archive.writestr(f"{number}.csv", b"x" * 50_000_000)
    return found.getvalue()


def _picture() -> bytes:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\x00" * 100_000_000, 9)
    about = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 16, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", about) + part(b"IDAT", rows) + part(b"IEND", b"")


def _nested(depth: int) -> bytes:
    found = b"\x00\x00\x00\x14ftypisom\x00\x00\x00\x00isom"
    return found + b"".join(struct.pack(">I4s", 8 * (depth - number), b"moov") for number in range(depth))


def _deep_multipart(depth: int) -> bytes:
    content = json.dumps({"prompt": "x"}).encode()
    for _ in range(depth):
        content = multipart([("file", "a.csv", content)])
    return content


def _measured(target: Target, act: Callable[[], Answer]) -> Callable[[], Cost]:
    return lambda: measured(target.pid, act)


def _upload(client: Client, path: str, field: str, name: str, content: bytes) -> Callable[[], Answer]:
    return lambda: client.upload(path, field, name, content, aspect="1:1", seconds="2", quality="standard")


def _post(client: Client, path: str, values: dict[str, str]) -> Callable[[], Answer]:
    return lambda: client.post(path, {**values, "aspect": "1:1", "seconds": "2", "quality": "standard"})


def _body(client: Client, path: str, body: bytes, kind: str) -> Callable[[], Answer]:
    extra = {"Content-Encoding": "gzip"} if body[:2] == b"\x1f\x8b" else {}
    return lambda: client.request("POST", path, body, {"Content-Type": kind, "X-CSRFToken": client.csrf, **extra})


def _get(client: Client, path: str, sent: dict[str, str]) -> Callable[[], Answer]:
    own = {"Cookie": f"{sent['Cookie']}; sessionid={client.session}"} if "Cookie" in sent else {}
    return lambda: client.request("GET", path, headers={**sent, **own})

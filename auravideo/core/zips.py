"""Zip files streamed as they are built, using neither disk nor memory for the archive."""

import json
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import PurePosixPath

from asgiref.sync import sync_to_async
from django.core.files.storage import Storage, storages
from django.core.serializers.json import DjangoJSONEncoder
from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from zipstream import ZipStream

BLOCK = 256 * 1024
MISSING = "MISSING.txt"


@dataclass(frozen=True)
class ZipEntry:
    """One file in the zip. `read` is called when its turn comes; on FileNotFoundError the file is skipped and noted."""

    name: str
    read: Callable[[], Iterable[bytes]]


def stored_file(name: str, stored: str | None, storage: Storage | None = None) -> ZipEntry:
    """Return an entry for the file `stored` in a storage (by default, the default one)."""
    return ZipEntry(name, lambda: _blocks(storage or storages["default"], stored))


def json_file(name: str, value: Callable[[], object]) -> ZipEntry:
    """Return an entry that holds `value()` as JSON."""
    return ZipEntry(name, lambda: [_json(value()).encode()])


def json_list(name: str, values: Callable[[], Iterable[object]]) -> ZipEntry:
    """Return an entry that holds a JSON list, written item by item."""
    return ZipEntry(name, lambda: _list(values()))


def stream(entries: Iterable[ZipEntry]) -> Generator[bytes]:
    """Yield the bytes of a zip file. Names are made unique; files missing from the storage are listed in MISSING.txt.

    Stored, not deflated: videos are already compressed.
    """
    zipped = ZipStream()
    taken: set[str] = set()
    missing: list[str] = []
    for entry in entries:
        name = _free(_safe(entry.name), taken)
        content = iter(entry.read())
        try:
            first = next(content, b"")
        except FileNotFoundError:
            missing.append(name)
            continue
        zipped.add(_chained(first, content), name)
        yield from zipped.all_files()
    if missing:
        zipped.add("\n".join([*missing, ""]), _free(MISSING, taken))
    yield from zipped.finalize()


def response(entries: Iterable[ZipEntry], filename: str) -> StreamingHttpResponse:
    """Return a zip file as a download named `filename`."""
    answer = StreamingHttpResponse(_sent(stream(entries)), content_type="application/zip")
    answer["Content-Disposition"] = content_disposition_header(True, filename)
    answer["Cache-Control"] = "private, no-store"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


async def _sent(blocks: Generator[bytes]) -> AsyncIterator[bytes]:
    """Yield blocks of at least BLOCK bytes; async, because Daphne buffers a plain iterator whole."""
    held: list[bytes] = []
    size = 0
    try:
        while (block := await sync_to_async(lambda: next(blocks, None))()) is not None:
            held.append(block)
            size += len(block)
            if size >= BLOCK:
                yield b"".join(held)
                held, size = [], 0
        yield b"".join(held)
    finally:  # close the open file if the client disconnects
        await sync_to_async(blocks.close)()


def _blocks(storage: Storage, stored: str | None) -> Iterator[bytes]:
    if not stored:
        raise FileNotFoundError(stored)
    with storage.open(stored, "rb") as file:
        while block := file.read(BLOCK):
            yield block


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _list(values: Iterable[object]) -> Iterator[bytes]:
    yield b"["
    for number, value in enumerate(values):
        yield (b",\n" if number else b"\n") + _json(value).encode()
    yield b"\n]\n"


def _json(value: object) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2)


def _safe(name: str) -> str:
    """Return `name` if it stays inside the folder the zip is unpacked to.

    Raises:
        ValueError: it is absolute, climbs with "..", or contains a backslash.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{name!r} cannot be a name in a zip file.")
    return str(path)


def _free(name: str, taken: set[str]) -> str:
    """Return `name`, numbered if it is already taken (ignoring case)."""
    path = PurePosixPath(name)
    numbered = (str(path.with_name(f"{path.stem}-{number}{path.suffix}")) for number in count(2))
    free = name if name.lower() not in taken else next(other for other in numbered if other.lower() not in taken)
    taken.add(free.lower())
    return free

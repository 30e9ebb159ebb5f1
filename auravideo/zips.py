"""A zip file of stored files, sent while it is being made: nothing is written down and little is in memory."""

import logging
import zipfile
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.core.files.storage import Storage

log = logging.getLogger(__name__)

BLOCK = 512 * 1024


class Entry(NamedTuple):
    """A file to put in: its `name` within the zip, and the `key` under which `storage` has it."""

    name: str
    storage: Storage
    key: str


class _Sink:
    """What zipfile writes to: cannot seek, and is emptied after every block."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def write(self, data: bytes) -> int:
        self.waiting += data
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        data = bytes(self.waiting)
        self.waiting.clear()
        return data


def zip_blocks(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The bytes of a zip of `entries`, uncompressed, for videos are compressed already.

    An entry whose file is gone meanwhile is left out, and logged.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
        for entry in entries:
            try:
                source = entry.storage.open(entry.key)
            except FileNotFoundError:
                log.warning("%s is not in the storage and is left out of a zip", entry.key)
                continue
            # Without a size beforehand, zipfile has to be told that one may exceed 4 GiB.
            with source, archive.open(entry.name, "w", force_zip64=True) as target:
                while block := source.read(BLOCK):
                    target.write(block)
                    yield sink.take()
    yield sink.take()


async def stream_zip(entries: Iterable[Entry]) -> AsyncIterator[bytes]:
    """`zip_blocks` for a StreamingHttpResponse. Asynchronous: of a plain iterator Daphne reads all before it sends."""
    blocks = zip_blocks(entries)
    # In a thread of its own: a slow storage must not hold up the pages, which share one.
    following = sync_to_async(lambda: next(blocks, None), thread_sensitive=False)
    try:
        while (block := await following()) is not None:
            if block:
                yield block
    finally:
        await sync_to_async(blocks.close, thread_sensitive=False)()

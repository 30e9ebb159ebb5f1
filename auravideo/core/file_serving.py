"""Serving of stored files, with byte ranges.

Browsers fetch those on S3 from a short-lived signed URL, or through the site if they cannot reach the storage.
"""

import logging
import re
from collections.abc import AsyncIterator, Collection, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date

from auravideo.core.media import video_metadata
from auravideo.core.media.containers import GiveUpError
from auravideo.core.media.formats import CONTENT_TYPES

logger = logging.getLogger(__name__)

_BLOCK = 512 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class _Stored(Protocol):
    """A stored file: its size in bytes, when it changed (Unix time), and an ETag of its content."""

    size: int
    changed: int
    etag: str

    def open(self, start: int, stop: int) -> BinaryIO:
        """Return a stream that begins at byte `start`; nobody reads it beyond `stop`."""
        ...


def serve(
    request: HttpRequest, name: str | None, *, download_as: str = "", without: Collection[str] = ()
) -> HttpResponseBase:
    """Serve the file `name` from the default storage; with `download_as`, as an attachment of that name.

    If it is a video, the settings in it lack the fields `without` of the request. The storage could not leave them out,
    so such a file always comes from the site.
    """
    if not name:
        raise Http404
    content_type = CONTENT_TYPES.get(name.rsplit(".", 1)[-1], "application/octet-stream")
    disposition = content_disposition_header(bool(download_as), download_as or name.rsplit("/", 1)[-1]) or "inline"
    is_local = isinstance(storages["default"], FileSystemStorage)
    if not is_local and settings.S3_DELIVERY == "redirect" and not without:
        parameters = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        url = storages["public"].url(name, parameters=parameters)  # type: ignore[call-arg]  # S3Storage takes them
        return HttpResponseRedirect(url)
    stored: _Stored = _LocalFile(name) if is_local else _S3Object(name)
    if without:
        stored = _Redacted(stored, name, frozenset(without))
    response = get_conditional_response(request, stored.etag, stored.changed) or _ranged(request, stored, content_type)
    response["ETag"], response["Last-Modified"] = stored.etag, http_date(stored.changed)
    response["Content-Disposition"] = disposition
    response["Accept-Ranges"] = "bytes"
    # Browsers may cache but must revalidate, so that a revoked link stops working at once.
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    return response


class _LocalFile:
    def __init__(self, name: str) -> None:
        """Raise Http404 if there is no such file."""
        self._path = Path(storages["default"].path(name))
        if not self._path.is_file():
            raise Http404
        stat = self._path.stat()
        self.size, self.changed = stat.st_size, int(stat.st_mtime)
        self.etag = f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'

    def open(self, start: int, stop: int) -> BinaryIO:
        stream = self._path.open("rb")
        stream.seek(start)
        return stream


class _S3Object:
    def __init__(self, name: str) -> None:
        """Raise Http404 if there is no such object, botocore's errors if the storage does not answer or refuses."""
        from botocore.exceptions import ClientError  # takes time and memory that a site with local files need not spend

        self._object = storages["default"].bucket.Object(name)  # type: ignore[attr-defined]  # S3Storage has it
        try:
            self._object.load()
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
                raise Http404 from None
            raise
        self.size, self.etag = self._object.content_length, self._object.e_tag
        self.changed = int(self._object.last_modified.timestamp())

    def open(self, start: int, stop: int) -> BinaryIO:
        # If the object was replaced meanwhile, its parts must not be mixed.
        return self._object.get(Range=f"bytes={start}-{stop - 1}", IfMatch=self.etag)["Body"]


class _Redacted:
    """A stored video with other bytes in place of some of its settings."""

    def __init__(self, stored: _Stored, name: str, without: frozenset[str]) -> None:
        """Raise Http404 if it cannot be told where the settings are."""
        self._stored, self.size, self.changed = stored, stored.size, stored.changed
        self._patches = _patches(_At(stored), name, without)
        self.etag = f'"{stored.etag.strip(chr(34))}-{"-".join(sorted(without))}"'

    def open(self, start: int, stop: int) -> BinaryIO:
        return cast(BinaryIO, _Patched(self._stored.open(start, stop), start, self._patches))


class _Patched:
    """A stream from byte `place` of a file, with the patches of that file."""

    def __init__(self, stream: BinaryIO, place: int, patches: Sequence[tuple[int, bytes]]) -> None:
        self._stream, self._place, self._patches = stream, place, patches

    def read(self, size: int = -1) -> bytes:
        block = bytearray(self._stream.read(size))
        for start, patch in self._patches:
            first, last = max(start, self._place), min(start + len(patch), self._place + len(block))
            if first < last:
                block[first - self._place : last - self._place] = patch[first - start : last - start]
        self._place += len(block)
        return bytes(block)

    def close(self) -> None:
        self._stream.close()


class _At:
    """A stored file as the parsers of containers read it: by a few short reads, wherever they are."""

    def __init__(self, stored: _Stored) -> None:
        self.stored, self._place = stored, 0

    def seek(self, place: int, whence: int = 0) -> int:
        self._place = place + (self.stored.size if whence == 2 else 0)
        return self._place

    def read(self, size: int) -> bytes:
        if size <= 0:
            return b""
        stream = self.stored.open(self._place, self._place + size)
        try:
            found = stream.read(size)
        finally:
            stream.close()
        self._place += len(found)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _At) and self.stored.etag == other.stored.etag

    def __hash__(self) -> int:
        return hash(self.stored.etag)


@lru_cache(maxsize=256)
def _patches(file: _At, name: str, without: frozenset[str]) -> tuple[tuple[int, bytes], ...]:
    """Return `video_metadata.without` of a stored file, remembered by name and ETag: players ask for many ranges."""
    try:
        return tuple(video_metadata.without(cast(BinaryIO, file), without))
    except GiveUpError:
        logger.error("The settings in %s cannot be found, so it is not given to others than its owner", name)
        raise Http404 from None


def _ranged(request: HttpRequest, stored: _Stored, content_type: str) -> HttpResponseBase:
    """Return the whole file, or the single range requested (RFC 9110, section 14) if `If-Range` still matches."""
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    is_another = request.headers.get("If-Range", stored.etag) != stored.etag
    if match is None or match.groups() == ("", "") or is_another:
        return _streamed(stored, 0, stored.size, status=200, content_type=content_type)
    start, stop = _bounds(match[1], match[2], stored.size)
    if start >= stop:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{stored.size}"})
    response = _streamed(stored, start, stop, status=206, content_type=content_type)
    response["Content-Range"] = f"bytes {start}-{stop - 1}/{stored.size}"
    return response


def _streamed(stored: _Stored, start: int, stop: int, **options: Any) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_blocks(stored, start, stop), **options)
    response["Content-Length"] = str(stop - start)
    return response


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the byte range [start, stop); '-n' means the last n bytes."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


async def _blocks(stored: _Stored, start: int, stop: int) -> AsyncIterator[bytes]:
    """Yield the bytes [start, stop) of a file; async, because Daphne buffers a plain iterator whole."""
    if start >= stop:
        return
    stream = await sync_to_async(stored.open)(start, stop)
    try:
        while start < stop and (block := await sync_to_async(stream.read)(min(_BLOCK, stop - start))):
            start += len(block)
            yield block
    finally:
        stream.close()

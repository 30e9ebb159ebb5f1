"""Serving of stored files: local ones with byte ranges, those on S3 by redirecting to a short-lived signed URL."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.core.files.storage import FileSystemStorage, storages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date

from auravideo.core.media.formats import CONTENT_TYPES

_BLOCK = 512 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def serve(request: HttpRequest, name: str | None, *, download_as: str = "") -> HttpResponseBase:
    """Serve the file `name` from the default storage; with `download_as`, as an attachment of that name."""
    if not name:
        raise Http404
    content_type = CONTENT_TYPES.get(name.rsplit(".", 1)[-1], "application/octet-stream")
    disposition = content_disposition_header(bool(download_as), download_as or name.rsplit("/", 1)[-1]) or "inline"
    if not isinstance(storages["default"], FileSystemStorage):
        parameters = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        url = storages["public"].url(name, parameters=parameters)  # type: ignore[call-arg]  # S3Storage takes them
        return HttpResponseRedirect(url)
    path = Path(storages["default"].path(name))
    if not path.is_file():
        raise Http404
    etag, changed = _etag(path), int(path.stat().st_mtime)
    response = get_conditional_response(request, etag, changed) or _ranged(request, path, content_type, etag)
    response["ETag"], response["Last-Modified"] = etag, http_date(changed)
    response["Content-Disposition"] = disposition
    response["Accept-Ranges"] = "bytes"
    # Browsers may cache but must revalidate, so that a revoked link stops working at once.
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _etag(path: Path) -> str:
    """Return an ETag from the file's mtime and size."""
    stat = path.stat()
    return f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'


def _ranged(request: HttpRequest, path: Path, content_type: str, etag: str) -> HttpResponseBase:
    """Return the whole file, or the single range requested (RFC 9110, section 14) if `If-Range` still matches."""
    size = path.stat().st_size
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    is_another = request.headers.get("If-Range", etag) != etag
    if match is None or match.groups() == ("", "") or is_another:
        return _streamed(path, 0, size, status=200, content_type=content_type)
    start, stop = _bounds(match[1], match[2], size)
    if start >= stop:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = _streamed(path, start, stop, status=206, content_type=content_type)
    response["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return response


def _streamed(path: Path, start: int, stop: int, **options: Any) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_blocks(path, start, stop), **options)
    response["Content-Length"] = str(stop - start)
    return response


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Return the byte range [start, stop); '-n' means the last n bytes."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


async def _blocks(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    """Yield the bytes [start, stop) of a file; async, because Daphne buffers a plain iterator whole."""
    stream = await sync_to_async(lambda: path.open("rb"))()
    try:
        await sync_to_async(stream.seek)(start)
        while start < stop and (block := await sync_to_async(stream.read)(min(_BLOCK, stop - start))):
            start += len(block)
            yield block
    finally:
        stream.close()

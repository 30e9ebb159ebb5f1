"""Send a stored file: by byte ranges from the local folder, by a short-lived signed address from S3."""

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
    """The file `name` of the default storage; `download_as` makes the browser save it under that name."""
    if not name:
        raise Http404
    content_type = CONTENT_TYPES.get(name.rsplit(".", 1)[-1], "application/octet-stream")
    disposition = content_disposition_header(bool(download_as), download_as or name.rsplit("/", 1)[-1]) or "inline"
    if not isinstance(storages["default"], FileSystemStorage):
        parameters = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        url = storages["public"].url(name, parameters=parameters)  # type: ignore[call-arg]  # an S3Storage takes them
        return HttpResponseRedirect(url)
    path = Path(storages["default"].path(name))
    if not path.is_file():
        raise Http404
    etag, changed = _etag(path), int(path.stat().st_mtime)
    response = get_conditional_response(request, etag, changed) or _ranged(request, path, content_type, etag)
    response["ETag"], response["Last-Modified"] = etag, http_date(changed)
    response["Content-Disposition"] = disposition
    response["Accept-Ranges"] = "bytes"
    # A browser may keep a file, but asks each time whether it may still show it: a link is revoked at once.
    response["Cache-Control"] = "private, no-cache"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _etag(path: Path) -> str:
    """What changes when the file does."""
    stat = path.stat()
    return f'"{stat.st_mtime_ns:x}-{stat.st_size:x}"'


def _ranged(request: HttpRequest, path: Path, content_type: str, etag: str) -> HttpResponseBase:
    """The whole file, or the one range that was asked for (RFC 9110, section 14), of this very file."""
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
    """The range [start, stop) of bytes; '-n' means the last n."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


async def _blocks(path: Path, start: int, stop: int) -> AsyncIterator[bytes]:
    """The bytes [start, stop) of a file. Asynchronous: of a plain iterator Daphne would read all before it sent any."""
    stream = await sync_to_async(lambda: path.open("rb"))()
    try:
        await sync_to_async(stream.seek)(start)
        while start < stop and (block := await sync_to_async(stream.read)(min(_BLOCK, stop - start))):
            start += len(block)
            yield block
    finally:
        stream.close()

"""Send a stored file: by byte ranges from the local folder, by a short-lived signed address from S3."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from django.core.files.storage import FileSystemStorage, storages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.utils.http import content_disposition_header

CONTENT_TYPES = {"mp4": "video/mp4", "webm": "video/webm", "gif": "image/gif", "webp": "image/webp"}
_BLOCK = 64 * 1024
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def serve(request: HttpRequest, name: str, *, download_as: str = "") -> HttpResponse:
    """The file `name` of the default storage; `download_as` makes the browser save it under that name."""
    content_type = CONTENT_TYPES.get(name.rsplit(".", 1)[-1], "application/octet-stream")
    disposition = content_disposition_header(bool(download_as), download_as or name.rsplit("/", 1)[-1])
    if not isinstance(storages["default"], FileSystemStorage):
        parameters = {"ResponseContentType": content_type, "ResponseContentDisposition": disposition}
        return HttpResponseRedirect(storages["public"].url(name, parameters=parameters))
    try:
        stream = open(storages["default"].path(name), "rb")  # noqa: SIM115  the response closes it
    except FileNotFoundError:
        raise Http404 from None
    response = _ranged(request, stream, content_type)
    response["Content-Disposition"] = disposition
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, max-age=3600"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _ranged(request: HttpRequest, stream: BinaryIO, content_type: str) -> HttpResponse:
    """The whole file, or the one range that was asked for (RFC 9110, section 14)."""
    size = Path(stream.name).stat().st_size
    match = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if match is None or match.groups() == ("", ""):
        return FileResponse(stream, content_type=content_type)
    start, stop = _bounds(match[1], match[2], size)
    if start >= stop:
        stream.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = StreamingHttpResponse(_blocks(stream, start, stop), status=206, content_type=content_type)
    response["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    response["Content-Length"] = str(stop - start)
    return response


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """The range [start, stop) of bytes; '-n' means the last n."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(int(last) + 1, size) if last else size


def _blocks(stream: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    with stream:
        stream.seek(start)
        while start < stop and (block := stream.read(min(_BLOCK, stop - start))):
            start += len(block)
            yield block

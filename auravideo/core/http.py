"""Request types that declare the attributes our middleware adds; single cookies."""

import re

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    """A request after `HtmxMiddleware`, as every view receives it."""

    htmx: HtmxDetails


class UploadRequest(HtmxHttpRequest):
    """The request of a view decorated with `bounded_upload`."""

    files_too_large: list[str]


def cookie_in(header: bytes, name: str) -> str:
    """Return one cookie of a `Cookie` header, "" if it is not there, or is longer than browsers keep.

    For what comes before a request may be refused: reading all of them takes milliseconds if somebody sends kilobytes.
    """
    found = re.search(rb"(?:^|;)\s*%s=([^;]{0,4096})(?:;|$)" % re.escape(name.encode()), header)
    return found[1].decode("latin1").strip() if found else ""

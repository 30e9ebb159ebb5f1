"""What our middleware adds to a request, for the type checker."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    """A request that went through `HtmxMiddleware`: every one that reaches a view."""

    htmx: HtmxDetails


class UploadRequest(HtmxHttpRequest):
    """The request of a view decorated with `bounded_upload`."""

    files_too_large: list[str]

"""Request types that declare the attributes our middleware adds."""

from django.http import HttpRequest
from django_htmx.middleware import HtmxDetails


class HtmxHttpRequest(HttpRequest):
    """A request after `HtmxMiddleware`, as every view receives it."""

    htmx: HtmxDetails


class UploadRequest(HtmxHttpRequest):
    """The request of a view decorated with `bounded_upload`."""

    files_too_large: list[str]

"""File uploads streamed to a temporary file, up to a size limit."""

from collections.abc import Callable
from functools import wraps

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from auravideo.core.http import UploadRequest

View = Callable[..., HttpResponseBase]

MAX_BODY = "max_body"  # attribute of a view: bytes that auravideo/bodies lets in
_BESIDES = 2**20  # what a form has besides the files


class BoundedUpload(TemporaryFileUploadHandler):
    """Keeps up to `limit` bytes per request; beyond that, drops the file and notes its field."""

    def __init__(self, request: UploadRequest, limit: int) -> None:
        super().__init__(request)
        self.limit = limit
        self.received = 0
        self.too_large: list[str] = []
        request.files_too_large = self.too_large

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received <= self.limit:
            super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        if self.received <= self.limit:
            return super().file_complete(file_size)
        self.too_large.append(self.field_name)
        self.file.close()  # also deletes it
        return None


def bounded_upload(limit: int) -> Callable[[View], View]:
    """Limit a view's uploads to `limit` bytes in total; `request.files_too_large` names the fields beyond it.

    Django's CSRF check reads the whole request, so the limit must be in place first: the check is applied to the inner
    view.
    """

    def decorate(view: View) -> View:
        protected = csrf_protect(view)

        @wraps(view)
        def set_up(request: UploadRequest, *args: object, **kwargs: object) -> HttpResponseBase:
            request.upload_handlers = [BoundedUpload(request, limit)]
            return protected(request, *args, **kwargs)

        setattr(set_up, MAX_BODY, limit + _BESIDES)
        return csrf_exempt(set_up)

    return decorate

"""Files that people drop on a form: streamed to a temporary file, up to a limit, and what is beyond it is not kept."""

from functools import wraps

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest
from django.views.decorators.csrf import csrf_exempt, csrf_protect


class BoundedUpload(TemporaryFileUploadHandler):
    """Keeps files of `limit` bytes together; of a larger one it notes the name, and lets the other fields arrive."""

    def __init__(self, request: HttpRequest, limit: int) -> None:
        super().__init__(request)
        self.limit = limit
        self.received = 0
        request.files_too_large = []

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received <= self.limit:
            super().receive_data_chunk(raw_data, start)

    def file_complete(self, file_size: int) -> UploadedFile | None:
        if self.received <= self.limit:
            return super().file_complete(file_size)
        self.request.files_too_large.append(self.field_name)
        self.file.close()  # which deletes it
        return None


def bounded_upload(limit: int):
    """A view that takes files of `limit` bytes together; `request.files_too_large` names the fields of larger ones.

    Django's CSRF check reads the whole request, so the limit has to be set before it: the check is made around the view
    itself.
    """

    def decorate(view):
        protected = csrf_protect(view)

        @wraps(view)
        def set_up(request: HttpRequest, *args: object, **kwargs: object):
            request.upload_handlers = [BoundedUpload(request, limit)]
            return protected(request, *args, **kwargs)

        return csrf_exempt(set_up)

    return decorate

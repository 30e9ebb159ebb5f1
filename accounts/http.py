"""Requests of people who are signed in, for the type checker."""

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from auravideo.core.http import HtmxHttpRequest, UploadRequest

Viewer = User | AnonymousUser  # `request.user` where nobody has to be signed in


class SignedInRequest(HtmxHttpRequest):
    """The request of a view behind `login_required`."""

    user: User


class SignedInUpload(SignedInRequest, UploadRequest):
    """The same of a view that is decorated with `bounded_upload`, too."""

"""Typed requests of signed-in users."""

from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from auravideo.core.http import HtmxHttpRequest, UploadRequest

Viewer = User | AnonymousUser  # `request.user` of a view that needs no sign-in


class SignedInRequest(HtmxHttpRequest):
    """The request of a view behind `login_required`."""

    user: User


class SignedInUpload(SignedInRequest, UploadRequest):
    """The same for views that also use `bounded_upload`."""

"""Requests of people who are signed in, for the type checker."""

from accounts.models import User
from auravideo.core.http import HtmxHttpRequest


class SignedInRequest(HtmxHttpRequest):
    """The request of a view behind `login_required`."""

    user: User

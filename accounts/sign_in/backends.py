"""Checking passwords in the same time whether there is an account or not."""

from typing import Any

from allauth.account.auth_backends import AuthenticationBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from accounts.models import User
from accounts.sign_in import logins


class EvenTimeBackend(AuthenticationBackend):
    """Computes one hash for a username and two for an email address, known or unknown.

    The backends of Django and allauth, asked one after the other, compute two or three. They stay in the settings for
    the sessions that they began, and are not asked for passwords: this one ends the search (PermissionDenied).
    """

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **more: Any
    ) -> User | None:
        login = more.get("email") or username
        if not login or not password:
            return None
        found = None
        for candidate in logins.candidates(login):
            if candidate is None or found is not None:  # also after the right one: an address always costs two
                hash_in_vain(password)
            elif candidate.check_password(password):
                found = candidate
        if found is not None and self.user_can_authenticate(found):
            return found
        if found is not None:
            self._stash_user(found)  # for allauth, which has pages for accounts that are switched off
        raise PermissionDenied


def hash_in_vain(password: str) -> None:
    """Take as long as checking a password does."""
    User().set_password(password)

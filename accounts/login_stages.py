"""The steps of signing in that belong to us: a suspended account says so, a deactivated one asks to be switched on."""

from allauth.account.stages import LoginStage
from django.http import HttpResponse
from django.shortcuts import redirect


class SuspendedStage(LoginStage):
    """The end of the road, after the password and the second factor, so that nobody else learns of it."""

    key = "suspended"
    urlname = "accounts:suspended"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if self.login.user is not None and self.login.user.is_suspended:
            return redirect(self.urlname), True
        return None, True


class ReactivateStage(LoginStage):
    key = "reactivate"
    urlname = "accounts:reactivate"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """A page instead of a session, as long as the account is deactivated."""
        if self.login.user is not None and self.login.user.is_deactivated:
            return redirect(self.urlname), True
        return None, True

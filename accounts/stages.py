"""The step of signing in that belongs to us: a deactivated account asks before it is switched on again."""

from allauth.account.stages import LoginStage
from django.http import HttpResponse
from django.shortcuts import redirect


class ReactivateStage(LoginStage):
    key = "reactivate"
    urlname = "accounts:reactivate"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """A page instead of a session, as long as the account is deactivated."""
        if self.login.user is not None and self.login.user.is_deactivated:
            return redirect(self.urlname), True
        return None, True

"""Our login stages: suspended users are told why, newcomers to wait, deactivated users are asked to reactivate."""

from allauth.account.stages import LoginStage
from django.http import HttpResponse
from django.shortcuts import redirect


class SuspendedStage(LoginStage):
    """A dead end, after the password and the second factor so that only the owner learns of the suspension."""

    key = "suspended"
    urlname = "accounts:suspended"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if self.login.user is not None and self.login.user.is_suspended:
            return redirect(self.urlname), True
        return None, True


class WaitingStage(LoginStage):
    """Another dead end, for newcomers about whom no moderator has decided."""

    key = "waiting"
    urlname = "accounts:waiting"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        if self.login.user is not None and self.login.user.is_awaiting_approval:
            return redirect(self.urlname), True
        return None, True


class ReactivateStage(LoginStage):
    key = "reactivate"
    urlname = "accounts:reactivate"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """Redirect to the reactivation page, without a session, while the account is deactivated."""
        if self.login.user is not None and self.login.user.is_deactivated:
            return redirect(self.urlname), True
        return None, True

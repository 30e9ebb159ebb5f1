"""The security page: where a user is signed in, and what happened to the account."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.http import SignedInRequest
from accounts.security import events, sessions
from accounts.security.browsers import browser_of
from accounts.security.events import Kind
from accounts.sign_in import mails

SHOWN, SHOWN_FAILED = 20, 10  # of the latest events; failed ones apart, with which anybody could push off the others


@login_required
@require_safe
def security(request: SignedInRequest) -> HttpResponse:
    """Show the sessions and the latest events of an account."""
    found = events.of(request.user)
    latest = [*found.exclude(kind=Kind.FAILED)[:SHOWN], *found.filter(kind=Kind.FAILED)[:SHOWN_FAILED]]
    latest.sort(key=lambda event: event.pk, reverse=True)
    context = {
        "sessions": sessions.of(request.user, request.session.session_key),
        "events": [(event, browser_of(event.user_agent)) for event in latest],
        "days": settings.SECURITY_LOG_DAYS,
        "is_told": mails.are_sent() and bool(request.user.email),
    }
    return render(request, "accounts/security.html", context)


@login_required
@require_POST
def end_session(request: SignedInRequest, session_id: int) -> HttpResponse:
    """Sign out of one browser; of this one, if it is the one meant."""
    key = request.session.session_key
    current = next((one.pk for one in sessions.of(request.user, key) if one.is_current), None)
    if session_id == current:
        logout(request)
        return redirect(settings.ACCOUNT_LOGOUT_REDIRECT_URL)
    if not sessions.end_one(request.user, session_id):
        raise Http404
    events.record(Kind.SESSIONS_ENDED, request.user, request)
    messages.success(request, _("That browser is signed out."))
    return redirect("accounts:security")


def elsewhere(_request: HttpRequest) -> HttpResponse:
    """Send on to the security page, which is in the place of allauth's list."""
    return redirect("accounts:security")

"""Account settings, deactivation and deletion."""

from allauth.account.decorators import reauthentication_required
from allauth.account.stages import LoginStageController
from allauth.core import ratelimit
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import check_for_language
from django.utils.translation import gettext as _
from django.views import i18n
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from accounts import personal_data, preferences, services
from accounts.adapter import LEFT, LEFT_FOR_GOOD
from accounts.forms import DeletionForm, ProfileForm, ThemeForm
from accounts.http import SignedInRequest
from accounts.login_stages import ReactivateStage, SuspendedStage
from accounts.models import User
from accounts.security import events
from accounts.security.events import Kind
from auravideo.core import zips


@login_required
@require_http_methods(["GET", "POST"])
def profile(request: SignedInRequest) -> HttpResponse:
    """Edit name, language and theme."""
    person = User.objects.get(pk=request.user.pk)  # a copy, so that invalid input doesn't show in the page header
    form = ProfileForm(request.POST or None, instance=person)
    if request.method == "POST" and form.is_valid():
        form.save()
        with translation.override(person.language or translation.get_language()):  # the next page's language
            messages.success(request, _("Profile saved."))
        response = redirect("accounts:profile")
        preferences.remember(response, person)
        return response
    return render(request, "accounts/profile.html", {"form": form})


@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    """Set the language from the page footer: in the cookie and, for signed-in users, in the profile."""
    language = request.POST.get("language", "")
    known = language in dict(settings.LANGUAGES) and check_for_language(language)
    if request.user.is_authenticated and known:
        User.objects.filter(pk=request.user.pk).update(language=language)
    return i18n.set_language(request)


@login_required
@require_POST
def set_theme(request: SignedInRequest) -> HttpResponse:
    """Save the theme; the light/dark button has already changed the page and the cookie."""
    form = ThemeForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    User.objects.filter(pk=request.user.pk).update(theme=form.cleaned_data["theme"])
    return HttpResponse(status=204)


@login_required
@require_POST
def end_sessions(request: SignedInRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    services.end_sessions(request.user, but=request.session.session_key)
    update_session_auth_hash(request, request.user)
    events.record(Kind.SESSIONS_ENDED, request.user, request)
    messages.success(request, _("You are signed out everywhere else."))
    return redirect("accounts:security")


@login_required
@require_GET
def data(request: SignedInRequest) -> HttpResponse:
    """Show what is stored about the user, with the ways to export it or leave."""
    return render(request, "accounts/data.html", _held(request.user))


@login_required
@require_POST
def download(request: SignedInRequest) -> HttpResponseBase:
    """Send all of the user's data as a zip, built while streaming."""
    if refused := ratelimit.consume_or_429(request, action="export", user=request.user):
        return refused
    name = f"auravideo-{request.user.username}-{timezone.localdate():%Y-%m-%d}.zip"
    return zips.response(services.export(request.user), name)


@login_required
@require_http_methods(["GET", "POST"])
def deactivate(request: SignedInRequest) -> HttpResponse:
    """Deactivate the account until its owner signs in again."""
    if request.method == "GET":
        return render(request, "accounts/deactivate.html")
    services.deactivate(request.user)
    logout(request)
    text = _("Your account is deactivated. Sign in any time to reactivate it.")
    messages.success(request, text, extra_tags=LEFT)
    return redirect("home")


@login_required
@reauthentication_required(app="accounts", enabled=lambda request: not request.user.has_usable_password())
@require_http_methods(["GET", "POST"])
def delete(request: SignedInRequest) -> HttpResponse:
    """Delete the account forever: show what will be deleted, and ask for the password."""
    form = DeletionForm(request.user, request.POST or None)
    if request.method == "POST" and form.is_valid():
        services.request_deletion(request.user)
        logout(request)
        text = _("Your account is closed, and everything in it is being deleted.")
        messages.success(request, text, extra_tags=LEFT_FOR_GOOD)
        return redirect("home")
    return render(request, "accounts/delete.html", {"form": form, **_held(request.user)})


@never_cache
@require_http_methods(["GET", "POST"])
def reactivate(request: HttpRequest) -> HttpResponse:
    """Offer reactivation, the last step of signing in to a deactivated account."""
    stage = LoginStageController.enter(request, ReactivateStage.key)
    if request.user.is_authenticated or stage is None:
        return redirect("account_login")
    if request.method == "GET":
        return render(request, "accounts/reactivate.html", {"person": stage.login.user})
    if not services.reactivate(stage.login.user):
        return stage.abort()
    stage.login.user.refresh_from_db()
    messages.success(request, _("Welcome back. Everything is as you left it."))
    return stage.exit()


@never_cache
@require_GET
def suspended(request: HttpRequest) -> HttpResponse:
    """Explain the suspension and when it ends, to a user who has just proved ownership of the account."""
    stage = LoginStageController.enter(request, SuspendedStage.key)
    if request.user.is_authenticated or stage is None or not stage.login.user.is_suspended:
        return redirect("account_login")
    person = stage.login.user
    with translation.override(person.language or translation.get_language()):
        return render(request, "accounts/suspended.html", {"person": person})


def _held(user: User) -> dict:
    holdings = personal_data.summary(user)
    return {"holdings": holdings, "size": sum(holding.size for holding in holdings)}

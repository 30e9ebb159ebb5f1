"""What a page's script calls when its user switches notifications on or off (static/js/notifications.js)."""

from allauth.core import ratelimit
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.utils.translation import get_language
from django.views.decorators.http import require_POST

from accounts.http import SignedInRequest
from accounts.push import services, sessions
from accounts.push.forms import EndpointForm, SubscriptionForm


@login_required
@require_POST
def subscribe(request: SignedInRequest) -> HttpResponse:
    """Keep this browser's subscription until its user signs out here or switches it off."""
    form = SubscriptionForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    if refused := ratelimit.consume_or_429(request, action="push", user=request.user):
        return refused
    subscription = services.subscribe(request.user, form.cleaned_data, get_language())
    sessions.remember(request, subscription)
    return HttpResponse(status=204)


@login_required
@require_POST
def unsubscribe(request: SignedInRequest) -> HttpResponse:
    """Forget this browser's subscription."""
    form = EndpointForm(request.POST)
    if not form.is_valid():
        return HttpResponse(status=400)
    services.unsubscribe(request.user, form.cleaned_data["endpoint"])
    sessions.forget(request)
    return HttpResponse(status=204)

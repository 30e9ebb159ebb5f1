"""Tell who finds a hole in this site where to report it, as RFC 9116 describes."""

from datetime import timedelta

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

VALID = timedelta(days=180)  # RFC 9116 recommends less than a year


@require_safe
def security_txt(_request: HttpRequest) -> HttpResponse:
    """Send security.txt; 404 while the operator has named no contact."""
    if not settings.SECURITY_CONTACT:
        raise Http404
    lines = [f"Contact: {_as_uri(settings.SECURITY_CONTACT)}", f"Expires: {_expires()}"]
    lines.append(f"Preferred-Languages: {settings.SECURITY_LANGUAGES}")
    if settings.SITE_URL:  # without it the address is whatever the client sent as Host
        lines.append(f"Canonical: {settings.SITE_URL}{reverse('security-txt')}")
    return HttpResponse("".join(f"{line}\n" for line in lines), content_type="text/plain; charset=utf-8")


def _as_uri(contact: str) -> str:
    return contact if contact.startswith(("https://", "mailto:")) else f"mailto:{contact}"


def _expires() -> str:
    """Return the time until which the answer is valid, in UTC; the same one all day."""
    return f"{timezone.now() + VALID:%Y-%m-%d}T00:00:00Z"

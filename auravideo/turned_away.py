"""What a browser gets that an overloaded process turns away: made without a thread, the database or a session."""

from io import BytesIO
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

RETRY_SECONDS = 5
MOST_BYTES = 64 * 2**10  # of a form that is sent back; the create form with its longest prompts has half of that
# Forms that are sent back in full, with a button that sends them again. In all others there is little to lose, or a
# password, which must not come back.
KEPT = ("/create/",)
HEADERS = {
    "Retry-After": str(RETRY_SECONDS),
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def keeps_form(scope: dict[str, Any]) -> bool:
    """Return whether the request is a form that is sent back."""
    return scope["method"] == "POST" and scope["path"].startswith(KEPT)


def response(scope: dict[str, Any], body: bytes) -> HttpResponse:
    """Return a 503: a page for people, in their language, with their form in it; a sentence for htmx, which shows it.

    Args:
        body: of a request whose form is kept; otherwise b"".
    """
    request = ASGIRequest(scope, BytesIO(body))
    with translation.override(translation.get_language_from_request(request)):
        if request.headers.get("HX-Request") == "true":
            text = _("The site is very busy at the moment. Nothing is lost: please try again in a few seconds.")
            return HttpResponse(text, status=503, content_type="text/plain; charset=utf-8", headers=HEADERS)
        context = {
            "address": request.get_full_path(),
            "fields": _fields(request) if body else [],
            "is_form": request.method == "POST",
        }
        return HttpResponse(render_to_string("503.html", context), status=503, headers=HEADERS)


def _fields(request: ASGIRequest) -> list[tuple[str, str]]:
    """Return the fields of a form, in order; none if it has files or cannot be read."""
    try:
        fields = [(name, value) for name, values in request.POST.lists() for value in values]
        return [] if request.FILES else fields
    except (SuspiciousOperation, MultiPartParserError):
        return []

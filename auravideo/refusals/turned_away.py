"""What a browser gets that is turned away, because the process is overloaded or because it asks for too much.

Made without a thread, the database or a session.
"""

import functools
import math
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.exceptions import SuspiciousOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from auravideo.core.http import cookie_in
from auravideo.refusals.budgets import EARNED, OWED

RETRY_SECONDS = 5
DEBT_SECONDS = math.ceil(OWED / EARNED)  # by then, an address owes nothing
PLAIN = "text/plain; charset=utf-8"
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


def busy(scope: dict[str, Any], body: bytes) -> HttpResponse:
    """Return a 503: a page for people, in their language, with their form in it; a sentence for htmx, which shows it.

    Args:
        body: of a request whose form is kept; otherwise b"".
    """
    request = ASGIRequest(scope, BytesIO(body))
    with translation.override(translation.get_language_from_request(request)):
        if request.headers.get("HX-Request") == "true":
            text = _("The site is very busy at the moment. Nothing is lost: please try again in a few seconds.")
            return HttpResponse(text, status=503, content_type=PLAIN, headers=HEADERS)
        return HttpResponse(render_to_string("503.html", _form(request, body)), status=503, headers=HEADERS)


def in_debt(scope: dict[str, Any], body: bytes = b"") -> HttpResponse:
    """Return a 429 for an address that asks for more than its share; the arguments are those of `busy`.

    It costs next to nothing unless it sends a form back: whoever floods the site gets hundreds a second.
    """
    headers = dict(scope["headers"])
    language = _language(headers.get(b"accept-language", b""), headers.get(b"cookie", b""))
    is_htmx, is_form = headers.get(b"hx-request") == b"true", scope["method"] == "POST"
    if body and not is_htmx:
        with translation.override(language):
            content = render_to_string("429_in_debt.html", _form(ASGIRequest(scope, BytesIO(body)), body)).encode()
    else:
        content = _refusal_of_debtors(language, is_htmx=is_htmx, is_form=is_form)
    about = {**HEADERS, "Retry-After": str(DEBT_SECONDS)}
    return HttpResponse(content, status=429, content_type=PLAIN if is_htmx else None, headers=about)


@functools.cache
def _refusal_of_debtors(language: str, *, is_htmx: bool, is_form: bool) -> bytes:
    with translation.override(language):
        if is_htmx:
            text = _(
                "So many requests came from your network address that others would have to wait. Nothing is lost: "
                "please try again in a few seconds."
            )
            return text.encode()
        return render_to_string("429_in_debt.html", {"address": "", "fields": [], "is_form": is_form}).encode()


def _language(accepted: bytes, cookies: bytes) -> str:
    """Return one of the site's languages."""
    request = HttpRequest()
    request.META["HTTP_ACCEPT_LANGUAGE"] = accepted.decode("latin1")
    if chosen := cookie_in(cookies, settings.LANGUAGE_COOKIE_NAME):
        request.COOKIES = {settings.LANGUAGE_COOKIE_NAME: chosen}
    return translation.get_language_from_request(request)


def _form(request: ASGIRequest, body: bytes) -> dict[str, Any]:
    """Return the context of the page: where to try again, and what was typed."""
    fields = _fields(request) if body else []
    return {"address": request.get_full_path(), "fields": fields, "is_form": request.method == "POST"}


def _fields(request: ASGIRequest) -> list[tuple[str, str]]:
    """Return the fields of a form, in order; none if it has files or cannot be read."""
    try:
        fields = [(name, value) for name, values in request.POST.lists() for value in values]
        return [] if request.FILES else fields
    except (SuspiciousOperation, MultiPartParserError):
        return []

"""Breaks the loop behind a proxy that terminates TLS and does not say so.

Such a site takes every request for one without TLS and sends it on to `https://`, where it comes back the same. A
browser that was sent on several times in a row and is still without TLS gets a page that says what to change, and so
does the log. Once is no loop: whoever clicks a link twice comes back before the first answer over TLS has arrived.
"""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.decorators import sync_only_middleware
from django.utils.translation import gettext as _

from auravideo.core.logs.once import OnceAMinute
from auravideo.refusals.turned_away import HEADERS

COOKIE, SECONDS = "sent_to_https", 5  # how often the browser was sent on in a row, so long ago at most
MOST_SENT = 5  # browsers give up after some twenty
_told = OnceAMinute(logging.getLogger(__name__))


@sync_only_middleware
def stop_redirect_loops(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Answer with a page instead of yet another redirect to HTTPS in a row. Has to stand before SecurityMiddleware."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if not settings.SECURE_SSL_REDIRECT:
            return response
        sent = _times_sent(request)
        if request.is_secure():
            if sent:
                response.delete_cookie(COOKIE)
        elif response.status_code == 301 and response.get("Location", "").startswith("https://"):
            if sent >= MOST_SENT:
                return _explained(request)
            response.set_cookie(COOKIE, str(sent + 1), max_age=SECONDS, httponly=True, samesite="Lax")
            response["Cache-Control"] = "no-store"  # or the browser would follow it without asking again
        return response

    return handle


def _times_sent(request: HttpRequest) -> int:
    value = request.COOKIES.get(COOKIE, "")
    return int(value) if value in map(str, range(1, MOST_SENT + 1)) else 0


def _explained(request: HttpRequest) -> HttpResponse:
    _told.warning(
        "%s was sent on to HTTPS and came back without it. Let the proxy set X-Forwarded-Proto (docs/install.md); "
        "HTTPS_REDIRECT=False ends the redirects.",
        request.get_host(),
    )
    with translation.override(translation.get_language_from_request(request)):
        text = _(
            "The proxy in front of this site does not tell it that your connection is encrypted, so it would send you "
            "on for ever. For the operator: let the proxy set the header X-Forwarded-Proto."
        )
        found = {"status": 500, "title": _("This site is not set up correctly"), "text": text}
        headers = {name: value for name, value in HEADERS.items() if name != "Retry-After"}
        return HttpResponse(render_to_string("refused.html", found), status=500, headers=headers)

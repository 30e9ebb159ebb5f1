"""What a browser gets whose request is refused for its body: made without a thread, the database or a session."""

from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from auravideo.refusals.turned_away import HEADERS

TOO_LARGE, TOO_SLOW = 413, 408
RETRY_SECONDS = 30


def response(scope: dict[str, Any], status: int, limit: int) -> HttpResponse:
    """Return a refusal: a page for people, in their language; a sentence for htmx, which shows it.

    Args:
        status: 413 for a body beyond `limit` bytes, 408 for one that came too slowly, 429 or 503 for too many at a
            time.
    """
    request = ASGIRequest(scope, BytesIO())
    headers = dict(HEADERS)
    if status in (TOO_LARGE, TOO_SLOW):
        del headers["Retry-After"]
    else:
        headers["Retry-After"] = str(RETRY_SECONDS)
    with translation.override(translation.get_language_from_request(request)):
        title, text = _words(status, limit)
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(text, status=status, content_type="text/plain; charset=utf-8", headers=headers)
        page = render_to_string("refused.html", {"status": status, "title": title, "text": text})
        return HttpResponse(page, status=status, headers=headers)


def _words(status: int, limit: int) -> tuple[str, str]:
    """Return the title and the sentence of a refusal."""
    if status == TOO_LARGE:
        size = _("%s MB") % (limit // 2**20) if limit >= 2**20 else _("%s kB") % (limit // 2**10)
        text = _("What you sent is too large: this page takes %s at most. Nothing was saved. Go back and send less.")
        return _("That is too large"), text % size
    if status == TOO_SLOW:
        text = _(
            "What you sent arrived too slowly, so the connection was closed. Nothing was saved. Go back and send it "
            "again, from a better network if you can."
        )
        return _("That took too long"), text
    text = _("Too many files are being sent at the moment. Nothing was saved. Go back and try again in half a minute.")
    return _("Please try again soon"), text

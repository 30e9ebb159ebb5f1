"""What people read whose form Django's CSRF protection refuses: why, which has three causes, and what helps."""

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import REASON_NO_CSRF_COOKIE
from django.shortcuts import render
from django.utils.translation import gettext as _

from auravideo.core.addresses import links

# Django's reasons begin like this if the form came from another address than the site's.
_ELSEWHERE = ("Origin checking failed", "Referer checking failed")


def refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form: with a page, or a sentence for htmx, which shows it. Django's CSRF_FAILURE_VIEW, which logs it."""
    if reason.startswith(_ELSEWHERE):
        found = {
            "title": _("This form came from another address"),
            "text": _(
                "This site takes forms only from its own pages, at %(address)s. Open the page there and send it again."
            )
            % {"address": links.origin(request)},
            "for_operators": True,
        }
    elif reason == REASON_NO_CSRF_COOKIE:
        found = {
            "title": _("A cookie is missing"),
            "text": _(
                "Your browser did not send the cookie without which forms do not work. Allow cookies for this site, "
                "reload the page and send it again."
            ),
        }
    else:
        found = {
            "title": _("This form has expired"),
            "text": _(
                "You have probably signed in or out in another tab since you opened this page. Go back, reload the "
                "page and send it again."
            ),
        }
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(found["text"], status=403, content_type="text/plain; charset=utf-8")
    return render(request, "403_csrf.html", found, status=403)

"""Request and response middleware."""

import functools
import zoneinfo
from collections.abc import Callable
from typing import cast
from urllib.parse import parse_qs, urlsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBadRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.decorators import sync_only_middleware
from django.utils.deprecation import MiddlewareMixin
from django_htmx.http import HttpResponseClientRedirect

from auravideo.core.http import HtmxHttpRequest

_TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")


@sync_only_middleware
def in_one_thread(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Do nothing, synchronously. As the last one, it lets all middleware and the view run in the request's thread.

    Otherwise Django runs under ASGI what can be asynchronous in the event loop, and each of its hooks in the thread
    again. These 22 changes of thread took a quarter of a small page's processor time. All views are synchronous.
    """
    return get_response


@sync_only_middleware
def in_utf_8(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Read forms and queries in UTF-8, as our pages send them.

    Django believes the client's charset, even if that is a codec that compresses or one that text cannot be read with.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        if request.encoding is not None:
            try:
                request.encoding = settings.DEFAULT_CHARSET  # which reads the query once more, in the client's
            except (LookupError, UnicodeError):
                return HttpResponseBadRequest()
        return get_response(request)

    return handle


ZONE_COOKIE = "zone"  # the browser's IANA time zone, set by static/js/auravideo.js


@sync_only_middleware
def in_readers_zone(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Tell dates in the reader's time zone, as their browser names it; in the site's without JavaScript.

    No request header tells it. The name is looked up among the known zones, because a file is opened by it.
    """

    def handle(request: HttpRequest) -> HttpResponseBase:
        name = request.COOKIES.get(ZONE_COOKIE)
        if name not in _known_zones():
            return get_response(request)
        with timezone.override(name):
            return get_response(request)

    return handle


@functools.cache
def _known_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


class TextGZipMiddleware(GZipMiddleware):
    """Django's GZipMiddleware (with its random padding against BREACH), limited to text.

    Videos and archives are already compressed, and a gzipped response could not serve byte ranges.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.streaming or not response.get("Content-Type", "").startswith(_TEXT):
            return response
        return super().process_response(request, response)


class HtmxLoginMiddleware(MiddlewareMixin):
    """Sends the whole page to sign in when one of its htmx requests is not signed in, typically an expired session.

    Likewise to confirm who it is. htmx would follow the redirect and put that page into the panel that it was asked to
    fill. After signing in, the user returns to the page, not to the part of it that was requested. Has to stand after
    HtmxMiddleware.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        htmx = cast(HtmxHttpRequest, request).htmx
        if not htmx or not isinstance(response, HttpResponseRedirect) or not _is_login(response.url):
            return response
        address = response.url
        if _next_of(address) == request.get_full_path() and htmx.current_url_abs_path:
            address = redirect_to_login(htmx.current_url_abs_path, login_url=urlsplit(address).path).url
        return HttpResponseClientRedirect(address)


_CONFIRMATIONS = ("account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn")


def _is_login(address: str) -> bool:
    return urlsplit(address).path in map(resolve_url, (settings.LOGIN_URL, *_CONFIRMATIONS))


def _next_of(address: str) -> str:
    return parse_qs(urlsplit(address).query).get(REDIRECT_FIELD_NAME, [""])[0]

"""The language and theme of a page: from the profile, else the cookie, else the browser."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin

from accounts.models import Theme, User

THEME_COOKIE = "theme"
YEAR = 365 * 24 * 3600


class ProfileLanguageMiddleware(MiddlewareMixin):
    """The profile's language, overriding the one Django's LocaleMiddleware took from the cookie or the browser."""

    def process_request(self, request: HttpRequest) -> None:
        language = getattr(request.user, "language", "")
        if language in dict(settings.LANGUAGES):
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()


def theme_of(request: HttpRequest) -> str:
    """Return 'dark', 'light', or '' to follow the device."""
    chosen = getattr(getattr(request, "user", None), "theme", "") or request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in Theme.values else ""


def context(request: HttpRequest) -> dict[str, str]:
    """Provide `theme` to every template."""
    return {"theme": theme_of(request)}


def remember(response: HttpResponse, user: User) -> None:
    """Copy the profile's settings to cookies, so that pages look the same after signing out."""
    _set(response, settings.LANGUAGE_COOKIE_NAME, user.language)
    _set(response, THEME_COOKIE, user.theme)


def _set(response: HttpResponse, name: str, value: str) -> None:
    if value:
        response.set_cookie(name, value, max_age=YEAR, samesite="Lax", secure=settings.HTTPS)
    else:
        response.delete_cookie(name, samesite="Lax")

"""Which language and theme a person sees: what their profile says, else the cookie, else what the browser asks for."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin

from accounts.models import Theme, User

THEME_COOKIE = "theme"
YEAR = 365 * 24 * 3600


class ProfileLanguageMiddleware(MiddlewareMixin):
    """The profile's language before the cookie's and the browser's, which Django's LocaleMiddleware has chosen from."""

    def process_request(self, request: HttpRequest) -> None:
        language = getattr(request.user, "language", "")
        if language in dict(settings.LANGUAGES):
            translation.activate(language)
            request.LANGUAGE_CODE = translation.get_language()


def theme_of(request: HttpRequest) -> str:
    """'dark', 'light', or '' for what the device prefers."""
    chosen = getattr(getattr(request, "user", None), "theme", "") or request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in Theme.values else ""


def context(request: HttpRequest) -> dict[str, str]:
    """`theme`, for every page."""
    return {"theme": theme_of(request)}


def remember(response: HttpResponse, user: User) -> None:
    """Keep the cookies in step with the profile, so that the pages look the same after signing out."""
    _set(response, settings.LANGUAGE_COOKIE_NAME, user.language)
    _set(response, THEME_COOKIE, user.theme)


def _set(response: HttpResponse, name: str, value: str) -> None:
    if value:
        response.set_cookie(name, value, max_age=YEAR, samesite="Lax", secure=settings.HTTPS)
    else:
        response.delete_cookie(name, samesite="Lax")

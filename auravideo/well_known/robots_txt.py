"""Tell search engines what they may read (RFC 9309): nothing, unless the operator opens the site to them."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

# Of /videos/, crawlers may read the pages of public videos with their files. Unlisted links (/s/) are not here: they
# must fetch them to read in their headers that they are not to be listed, and messengers do for their previews.
_ACTIONS = (
    *("check/", "delete/", "download/", "favourite/", "like/", "more/", "next/", "previous/", "purge/", "rename/"),
    *("report/", "restore/", "revoke/", "settings.json", "tags/", "visibility/"),
)
_PRIVATE = (
    *(f"/{name}/" for name in ("accounts", "admin", "batches", "create", "jobs", "language", "notices", "presets")),
    *(f"/{name}/" for name in ("reports", "settings")),
    "/videos/$",
    *(f"/videos/{name}/" for name in ("collections", "compare", "selected", "trash", "undo")),
    *(f"/videos/*/{action}" for action in _ACTIONS),
)


# Those that fetch a link which somebody has sent, for its preview, and list nothing. They may read what the link shows
# to everybody.
_PREVIEWS = (
    *("Discordbot", "facebookexternalhit", "LinkedInBot", "Slackbot-LinkExpanding", "TelegramBot", "Twitterbot"),
    "WhatsApp",
)


@require_safe
def robots_txt(_request: HttpRequest) -> HttpResponse:
    """Send robots.txt."""
    everybody = _PRIVATE if settings.SEARCH_ENGINES else ("/",)
    lines = [f"User-agent: {name}" for name in _PREVIEWS]
    lines += [*(f"Disallow: {path}" for path in _PRIVATE), "", "User-agent: *"]
    lines += [f"Disallow: {path}" for path in everybody]
    return HttpResponse("".join(f"{line}\n" for line in lines), content_type="text/plain; charset=utf-8")

"""A browser in words, from its user agent: what people recognise their devices by. Anything may be in it.

Browsers reveal little else nowadays, and pretend to be each other, so the order of the tables matters.
"""

import re
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

MAX_LENGTH = 200  # characters that are stored of a user agent

_BROWSERS = (
    ("Microsoft Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/|OPT/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Vivaldi", r"Vivaldi/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrom(?:e|ium)/|CriOS/"),
    ("Safari", r"Version/[\d.]+ .*Safari/"),
    ("curl", r"^curl/"),
)
_SYSTEMS = (
    ("Windows", r"Windows NT"),
    ("Android", r"Android"),
    ("iPad", r"iPad"),
    ("iPhone", r"iPhone"),
    ("ChromeOS", r"CrOS"),
    ("macOS", r"Macintosh|Mac OS X"),
    ("Linux", r"Linux|X11"),
)


@dataclass(frozen=True)
class Browser:
    """Names of products, which are the same in every language; "" if unknown."""

    name: str
    system: str

    def __str__(self) -> str:
        if self.name and self.system:
            return _("%(browser)s on %(system)s") % {"browser": self.name, "system": self.system}
        return self.name or self.system or _("Unknown browser")


def browser_of(user_agent: str) -> Browser:
    """Return which browser a user agent claims to be."""
    text = user_agent[:MAX_LENGTH]
    return Browser(_first(_BROWSERS, text), _first(_SYSTEMS, text))


def _first(table: tuple[tuple[str, str], ...], text: str) -> str:
    return next((name for name, pattern in table if re.search(pattern, text)), "")


def user_agent_of(request: HttpRequest) -> str:
    """Return what is stored of a request's user agent: printable characters, so that every database takes them."""
    return "".join(filter(str.isprintable, request.META.get("HTTP_USER_AGENT", "")[:MAX_LENGTH]))

"""Absolute links: on pages, in tags for other sites and in emails, they lead to the site's own address.

A client chooses the `Host` that it sends, at least its port. A link that follows it could lead the reader of an email
to another program on the same machine, with the token that resets their password.
"""

from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_only_middleware
from django.utils.encoding import iri_to_uri

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@sync_only_middleware
def absolute_links(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Make `request.build_absolute_uri` return links to the site's own address, also for what libraries build."""

    def handle(request: HttpRequest) -> HttpResponseBase:
        def build_absolute_uri(location: str | None = None) -> str:
            return iri_to_uri(urljoin(origin(request), request.get_full_path() if location is None else location))

        request.build_absolute_uri = build_absolute_uri  # type: ignore[method-assign]  # for this request alone
        return get_response(request)

    return handle


def public_origin() -> str:
    """Return the site's address as visitors see it; "" if no setting says it."""
    return next(iter(_known()), "")


def in_email(site: str, path: str) -> str:
    """Return a link for an email that leads to the site at this base URL; "" if `site` is "" and no setting says it."""
    site = site or public_origin()
    return urljoin(site, path) if site else ""


def name_in_email(site: str) -> str:
    """Return what emails call the site at this base URL: its host.

    Without one, what no request asked for is called by a setting: its own address, or a host that is allowed. "" if
    none of them says it.
    """
    hosts = (host.removeprefix(".") for host in settings.ALLOWED_HOSTS)
    return urlsplit(site or public_origin()).netloc or next(hosts, "")


def origin(request: HttpRequest) -> str:
    """Return the address to which links lead.

    That is SITE_URL. Without it, one of CSRF_TRUSTED_ORIGINS: the visitor's own, or the first. Without these either, it
    is the visitor's `Host`, but with no port that the site does not know.
    """
    own = f"{request.scheme}://{request.get_host()}"
    known = _known()
    if known:
        return own if own in known else known[0]
    host, port = split_domain_port(request.get_host())
    if not port or host in _LOOPBACK or port in (str(settings.PORT), "443" if request.is_secure() else "80"):
        return own
    return f"{request.scheme}://{host}" if request.is_secure() else f"{request.scheme}://{host}:{settings.PORT}"


def is_ours(request: HttpRequest, url: str) -> bool:
    """Return whether a URL leads to this site: to the address of links, or to the one that the visitor used."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and parts.netloc in (request.get_host(), urlsplit(origin(request)).netloc)


def _known() -> list[str]:
    if settings.SITE_URL:
        return [settings.SITE_URL]
    return [found for found in settings.CSRF_TRUSTED_ORIGINS if "*" not in found]

"""Which addresses messages may be sent to. They come from users, so only those of known push services are accepted."""

from collections.abc import Iterable
from urllib.parse import urlsplit

_HTTPS = 443


def is_allowed(endpoint: str, services: Iterable[str]) -> bool:
    """Return whether `endpoint` is an https address of one of the push services.

    Args:
        services: host names; `*.example.org` means every host below it, `host:8443` another port than 443.
    """
    if not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint or "\\" in endpoint:
        return False
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname or "", parts.port or _HTTPS
    except ValueError:
        return False
    if parts.scheme != "https" or not host or "@" in parts.netloc or parts.fragment:
        return False
    return any(_matches(host, port, service.lower()) for service in services)


def _matches(host: str, port: int, service: str) -> bool:
    name, _colon, other_port = service.partition(":")
    if port != int(other_port or _HTTPS):
        return False
    return host.endswith(name[1:]) if name.startswith("*.") else host == name

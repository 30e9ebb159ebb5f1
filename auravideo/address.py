"""The site's address: SITE_URL, and the hosts and origins that go with it.

Like the other readers (auravideo/environment.py), these stop the start with one line that says what to write instead.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.core.exceptions import ImproperlyConfigured

from auravideo import environment

NAME, EXAMPLE = "video.example.org", "https://video.example.org"
DEFAULT_PORTS = {"http": 80, "https": 443}
_LABEL = "[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Where a site is.

    Attributes:
        scheme: http or https.
        host: in lower case; an IPv6 address in brackets.
        port: None for the scheme's own.
    """

    scheme: str
    host: str
    port: int | None = None

    @property
    def netloc(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"

    @property
    def origin(self) -> str:
        """Return it as browsers write it in `Origin`."""
        return f"{self.scheme}://{self.netloc}"


def site(name: str) -> Address | None:
    """Return the address in the variable `name`; None if it is unset. A path is refused: nothing would work there."""
    value = environment.text(name)
    if not value:
        return None
    parts = _parts(name, value)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ImproperlyConfigured(
            f"{name}={value} has a path, and AuraVideo needs a host name or a port of its own: "
            f"{name}={EXAMPLE} or {name}={EXAMPLE}:8443."
        )
    return _address(name, value, parts)


def origins(name: str, own: Address | None) -> list[str]:
    """Return the origins in the variable `name`, and the site's own; `https://*.example.org` means all below it."""
    found = [] if own is None else [own.origin]
    for value in environment.words(name, []):
        parts = _parts(name, value)
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ImproperlyConfigured(f"{name} takes no paths: {parts.scheme}://{parts.netloc} instead of {value}.")
        found.append(_address(name, value, parts, wildcard=True).origin)
    return list(dict.fromkeys(found))


def hosts(name: str, default: list[str], own: Address | None) -> list[str]:
    """Return the hosts in the variable `name`, and the site's own; `.example.org` means that one and all below it."""
    found = [] if own is None else [own.host]
    for value in environment.words(name, default):
        if value == "*":
            raise ImproperlyConfigured(f"{name}=* would let every website in. Name the hosts: {name}={NAME}.")
        host = value.removeprefix(".")
        if not _is_host(host):
            raise ImproperlyConfigured(f"{name} must name hosts without scheme, port or path, {_instead(name, value)}.")
        found.append(value.lower())
    return list(dict.fromkeys(found))


def listening(name: str, default: str) -> str:
    """Return the variable `name`, an address or a name of this machine to listen on."""
    value = environment.text(name, default)
    if not _is_host(value) and not _is_host(f"[{value}]"):
        raise ImproperlyConfigured(f"{name} must be an address of this machine, {_instead(name, value, '127.0.0.1')}.")
    return value


def is_of_this_machine(place: str) -> bool:
    """Return whether a host, `host:port` or origin leads nobody but this machine to itself.

    A port alone does not: Docker publishes it at every address.
    """
    host = (place.partition("://")[2] or place).lower()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(name: str, value: str) -> SplitResult:
    """Split a URL with a host. No message repeats a password, which does not belong here."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ImproperlyConfigured(f"{name}={value} is not an address. Write it as {name}={EXAMPLE}.") from None
    if "@" in parts.netloc:
        raise ImproperlyConfigured(f"{name} must not name a user or a password: {name}={EXAMPLE}.")
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ImproperlyConfigured(f"{name} must begin with http:// or https://, {_instead(name, value, EXAMPLE)}.")
    return parts


def _address(name: str, value: str, parts: SplitResult, *, wildcard: bool = False) -> Address:
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if not _is_host(host.removeprefix("*.") if wildcard else host):
        raise ImproperlyConfigured(f"{name} must name a host, {_instead(name, value, EXAMPLE)}.")
    return Address(parts.scheme, host, None if parts.port == DEFAULT_PORTS[parts.scheme] else parts.port)


def _is_host(value: str) -> bool:
    if value.startswith("[") and value.endswith("]"):
        try:
            return bool(IPv6Address(value[1:-1]))
        except ValueError:
            return False
    return _HOST.fullmatch(value) is not None


def _instead(name: str, value: str, otherwise: str = NAME) -> str:
    """Return the end of a message: what to write instead of a value, as far as that can be guessed."""
    return f"not {value!r}. Write {name}={_guess(value, '://' in otherwise) or otherwise}"


def _guess(value: str, with_scheme: bool) -> str:
    if _is_host(f"[{value}]"):
        value = f"[{value}]"
    host, port = _host_and_port(value if "//" in value else f"//{value}")
    try:
        host = host.encode("idna").decode()  # names with other letters, as name servers and browsers send them
    except UnicodeError:
        return ""
    if not _is_host(host):
        return ""
    return f"https://{host}{port}" if with_scheme else host


def _host_and_port(value: str) -> tuple[str, str]:
    try:
        parts: Any = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return "", ""
    return (f"[{host}]" if ":" in host else host), (f":{port}" if port else "")

"""Every address of the site, read from the URL configuration so that tests of all addresses cover new ones too."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver

_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Address:
    """An address: its namespaced name (its route if it has no name) and its route with <parameters>."""

    name: str
    route: str

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(_PARAMETER.findall(self.route))

    def path(self, values: Mapping[str, object]) -> str:
        """Return the route with its parameters filled in; `values` maps 'name:parameter' or 'parameter' to a value.

        Raises:
            KeyError: a parameter has no value.
        """

        def fill(match: re.Match) -> str:
            own = f"{self.name}:{match[1]}"
            return str(values[own] if own in values else values[match[1]])

        return _PARAMETER.sub(fill, self.route)


def addresses() -> list[Address]:
    """Return every address of the site, in the order of the URL configuration."""
    found = list(_walk(get_resolver().url_patterns, "/", ()))
    assert len(found) > 20, "the URL configuration was not read"
    return found


def _walk(patterns, prefix: str, namespaces: tuple[str, ...]) -> Iterator[Address]:
    for pattern in patterns:
        route = prefix + _plain(pattern)
        if isinstance(pattern, URLResolver):
            inner = (*namespaces, pattern.namespace) if pattern.namespace else namespaces
            yield from _walk(pattern.url_patterns, route, inner)
        elif isinstance(pattern, URLPattern):
            yield Address(":".join((*namespaces, pattern.name)) if pattern.name else route, route)


def _plain(pattern) -> str:
    """Return a pattern's route; a regular expression's groups become <parameters>."""
    text = str(pattern.pattern)
    return simplify_regex(text).removeprefix("/") if hasattr(pattern.pattern, "_regex") else text

"""The settings in which the clips of a page differ, each told as the page of a video tells it."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.formats import localize
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.requests.fields import FIELDS, Field, Kind, with_present_names
from generation.templatetags.labels import Fact, told

ALWAYS_SHOWN = ("seed",)  # with each clip, whether it differs or not
UNITS = {"seconds": gettext_lazy("%(n)s s"), "fps": gettext_lazy("%(n)s fps")}


def differences(requests: Sequence[Mapping[str, Any]]) -> list[list[Fact]]:
    """Return, for each request, its values of the fields in which any two of them differ."""
    found = [_values(request) for request in requests]
    varying = [name for name in _names() if len({str(values[name]) for values in found}) > 1]
    return [[fact for name in varying for fact in _facts(name, values[name])] for values in found]


def common(requests: Sequence[Mapping[str, Any]], name: str) -> Any:
    """Return the value that all requests have in a field; None if they differ."""
    found = [with_present_names(request).get(name) for request in requests]
    return found[0] if found and all(value == found[0] for value in found) else None


def _names() -> list[str]:
    """Return the fields, with one size in the place of its two sides."""
    names = [name for name, field in FIELDS.items() if field.kind is not Kind.SIDE and name not in ALWAYS_SHOWN]
    return [*names, "size"]


def _values(request: Mapping[str, Any]) -> dict[str, Any]:
    request = with_present_names(request)
    size = f"{request.get('width')}\u00a0×\u00a0{request.get('height')}"
    return {**{name: request.get(name) for name in FIELDS}, "size": size}


def _facts(name: str, value: Any) -> list[Fact]:
    if name == "size":
        return [Fact(name, _("Size"), value)]
    field = FIELDS[name]
    texts = [_with_unit(field, value)] if name in UNITS else list(told(field, value))
    return [Fact(name, field.label, text) for text in texts or ["–"]]


def _with_unit(field: Field, value: Any) -> str:
    return "–" if value is None else UNITS[field.name] % {"n": localize(value)}

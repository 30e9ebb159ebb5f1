"""Template filters for the axes of a sweep, as a batch stores them."""

from collections.abc import Mapping
from typing import Any

from django import template

from generation.requests.sweeps import LABELS, Swept

register = template.Library()


@register.filter
def axis_label(axis: Mapping[str, Any]) -> str:
    """Return the name of the setting that an axis varies; one that no longer exists is named as it was stored."""
    field = axis["field"]
    return str(LABELS[Swept(field)]) if field in list(Swept) else str(field)


@register.filter
def axis_values(axis: Mapping[str, Any]) -> list[Any]:
    """Return the values of an axis; in a template, `axis.values` would be the method of the dictionary."""
    return list(axis["values"])

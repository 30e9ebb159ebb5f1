"""Models and qualities by the names that people know them by."""

from django import template

from generation.requests import available
from generation.requests.labels import QUALITY_LABELS

register = template.Library()


@register.filter
def model_label(id: str) -> str:
    """The label of an entry of the catalogue; its id where it has been taken out since."""
    try:
        return available.catalogue()[id].label
    except KeyError:
        return id


@register.filter
def quality_label(name: str) -> str:
    """Return the label of a request's `quality`; a name of one's own, which batch files may give, as it is."""
    return str(QUALITY_LABELS.get(name, name))

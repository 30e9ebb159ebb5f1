"""Models and qualities by the names that people know them by."""

from django import template

from auravideo.core.media_formats import ACCEPTED_FILES
from generation.requests import available
from generation.requests.labels import QUALITY_LABELS

register = template.Library()


@register.simple_tag
def accepted_videos() -> str:
    """The `accept` of an input that takes the files of this site."""
    return ACCEPTED_FILES


@register.filter
def model_label(id: str) -> str:
    """The label of an entry of the catalogue; its id where it has been taken out since."""
    try:
        return available.catalogue()[id].label
    except KeyError:
        return id


@register.filter
def quality_label(name: str) -> str:
    """What a request says under `preset`: the label of a quality, or the name of a person's own preset."""
    return str(QUALITY_LABELS.get(name, name))

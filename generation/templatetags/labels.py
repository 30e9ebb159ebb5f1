"""Template tags for display names of models, qualities and request fields."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django import template
from django.utils import formats

from auravideo.core.media.formats import ACCEPTED_FILES
from generation.requests import available
from generation.requests.fields import FIELDS, WITH_GUIDANCE, Field, Kind, with_present_names
from generation.requests.labels import QUALITY_LABELS

register = template.Library()


@register.simple_tag
def accepted_videos() -> str:
    """Return the `accept` attribute for inputs that take this site's video files."""
    return ACCEPTED_FILES


class Fact(NamedTuple):
    """One displayed field of a stored request; `value` is text or a number."""

    name: str
    label: Any
    value: Any


@register.filter
def model_label(id: str) -> str:
    """Return the label of a catalogue entry, or its ID if it has left the catalogue."""
    try:
        return available.catalogue()[id].label
    except KeyError:
        return id


@register.filter
def quality_label(name: str) -> str:
    """Return the label of a request's `quality`; custom names, which batch files may use, are returned as they are."""
    return str(QUALITY_LABELS.get(name, name))


@register.filter
def facts(request: Mapping[str, Any], place: str) -> list[Fact]:
    """Return the facts of a stored request that a video's page shows at `place`, one of `fields.Facts`."""
    request = with_present_names(request)
    model = available.catalogue().models.get(str(request.get("model")))
    unused = () if model is None or model.is_guided else WITH_GUIDANCE
    return [
        Fact(field.name, field.label, value)
        for field in FIELDS.values()
        if field.facts == place and field.name not in unused
        for value in told(field, request.get(field.name))
    ]


def told(field: Field, value: Any) -> Iterator[Any]:
    """Yield what a page shows of a field: text or numbers, several for LoRAs, none for an empty text."""
    match field.kind:
        case Kind.MOTIONS | Kind.STYLES:
            yield from (f"{model_label(id)} · {formats.localize(weight)}" for id, weight in value or ())
        case Kind.WHOLE | Kind.NUMBER:
            yield "–" if value is None else value
        case _ if not value:
            return
        case Kind.ENTRY:
            yield model_label(value)
        case Kind.QUALITY:
            yield quality_label(value)
        case Kind.CHOICE:
            yield field.choices.get(value, value)
        case _:
            yield value

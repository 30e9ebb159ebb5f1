"""Models by the names that people know them by."""

from django import template

from generation import services

register = template.Library()


@register.filter
def model_label(id: str) -> str:
    """The label of an entry of the catalogue; its id where it has been taken out since."""
    try:
        return services.catalogue()[id].label
    except KeyError:
        return id

"""Typed access to form fields."""

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.forms.forms import BaseForm

_HAS_DEFAULT = "has_default"  # read by templates/partials/field.html


def choice_field(form: BaseForm, name: str) -> forms.ChoiceField:
    """Return the choice field `name` of `form`.

    Raises:
        TypeError: the field has no choices.
    """
    field = form.fields[name]
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(f"{type(form).__name__}.{name} offers no choices.")
    return field


def choices_of(form: BaseForm, name: str) -> Iterable[tuple[Any, Any]]:
    """Return the (value, label) pairs of the field `name`, whose choices are not grouped."""
    return cast(Iterable[tuple[Any, Any]], choice_field(form, name).choices)


def mark_default(*fields: forms.Field) -> None:
    """Mark optional fields that have a default, so that their labels don't say "optional"."""
    for field in fields:
        setattr(field, _HAS_DEFAULT, True)

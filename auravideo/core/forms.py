"""Reach the fields of a form as what they are."""

from collections.abc import Iterable
from typing import Any, cast

from django import forms
from django.forms.forms import BaseForm

_HAS_DEFAULT = "has_default"  # read by templates/partials/field.html


def choice_field(form: BaseForm, name: str) -> forms.ChoiceField:
    """Return the field `name` of `form`, which offers choices.

    Raises:
        TypeError: it offers none.
    """
    field = form.fields[name]
    if not isinstance(field, forms.ChoiceField):
        raise TypeError(f"{type(form).__name__}.{name} offers no choices.")
    return field


def choices_of(form: BaseForm, name: str) -> Iterable[tuple[Any, Any]]:
    """Return the (value, label) pairs of the field `name`, which are in no groups."""
    return cast(Iterable[tuple[Any, Any]], choice_field(form, name).choices)


def mark_default(*fields: forms.Field) -> None:
    """Mark optional fields that stand for something when they are left empty: their labels do not say "optional"."""
    for field in fields:
        setattr(field, _HAS_DEFAULT, True)

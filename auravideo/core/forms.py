"""Typed access to form fields, and one-line texts that others read."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, cast

from django import forms
from django.core.exceptions import ValidationError
from django.forms.forms import BaseForm
from django.utils.translation import gettext_lazy as _

_HAS_DEFAULT = "has_default"  # read by templates/partials/field.html
# Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt) beyond the categories below, and the empty Braille
# pattern. Variation selectors, which emoji need, are looked at one by one.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
_HIDDEN_CATEGORIES = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")
_JOINERS = "\u200c\u200d"
_JOINED = ("Lo", "Mn", "Mc", "Me", "So", "Sk", "Cn")  # letters of Indic and Arabic scripts, and emoji
_SELECTORS = re.compile("[\ufe00-\ufe0f]")
# What chat apps put around a name that one copies, and byte order marks.
_AROUND = re.compile(
    "^[\\s\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+"
    "|[\\s\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]+$"
)


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


def refuse_hidden(text: str) -> None:
    """Validate a text: raise ValidationError if a character is invisible or changes the direction of others."""
    if any(_is_hidden(text, at) for at in range(len(text))):
        raise ValidationError(
            _("This contains invisible characters or direction marks. Please type it instead of pasting it."),
            code="hidden",
        )


def one_line(text: str) -> str:
    """Return a text without what was pasted around it. Raise ValidationError if something is hidden within."""
    text = _AROUND.sub("", text)
    refuse_hidden(text)
    return text


def without_hidden(text: str) -> str:
    """Return a text without hidden characters, for names that nobody has typed here, such as those of files."""
    return "".join(character for at, character in enumerate(text) if not _is_hidden(text, at))


def clean_one_line(field: str) -> Callable[[BaseForm], str]:
    """Return a `clean_<field>` method for forms."""

    def clean(form: BaseForm) -> str:
        return one_line(form.cleaned_data[field] or "")

    return clean


def _is_hidden(text: str, at: int) -> bool:
    character = text[at]
    if character.isascii():
        return unicodedata.category(character) == "Cc"
    if character in _JOINERS:
        around = (text[at - 1 : at], text[at + 1 : at + 2])
        return not all(each and unicodedata.category(each) in _JOINED for each in around)
    if _SELECTORS.match(character):
        return at == 0 or not _takes_selector(text[at - 1])
    return unicodedata.category(character) in _HIDDEN_CATEGORIES or _INVISIBLE.match(character) is not None


def _takes_selector(character: str) -> bool:
    return character in "#*0123456789" or unicodedata.category(character)[0] in "SLPC"

"""Forms of the compare page: which clips it shows, and which of them are kept."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.core.exceptions import ValidationError
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext_lazy as _

from gallery.library.forms import IdsField


class KeepForm(forms.Form):
    """The clips that a page showed, and those to keep: the selected ones, or the one of `only`, its own button."""

    video = IdsField()
    keep = IdsField(required=False)
    only = forms.UUIDField(required=False)

    def clean(self) -> dict[str, Any]:
        super().clean()
        found = self.cleaned_data
        if not self.errors and not self.kept:
            raise ValidationError(_("Select at least one clip to keep."))
        return found

    @property
    def kept(self) -> Sequence[UUID]:
        """Return the clips to keep."""
        only = self.cleaned_data.get("only")
        return [only] if only else self.cleaned_data.get("keep") or []


def ids_in(query: MultiValueDict, name: str) -> list[UUID]:
    """Return the distinct IDs of this name in a query string, in order; invalid ones are skipped."""
    found = []
    for word in query.getlist(name):
        try:
            found.append(UUID(word))
        except ValueError:
            continue
    return list(dict.fromkeys(found))

"""Forms for the job pages' POST data."""

from datetime import UTC, datetime
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from generation.jobs.activity import FILTERS

MAX_JOBS = 48
_UUID_LENGTH = 36


class SeenForm(forms.Form):
    """`jobs`: comma-separated IDs of the jobs seen; empty means all of them."""

    jobs = forms.CharField(required=False, max_length=MAX_JOBS * (_UUID_LENGTH + 1))

    def clean_jobs(self) -> list[UUID] | None:
        try:
            return [UUID(word) for word in self.cleaned_data["jobs"].split(",") if word] or None
        except ValueError:
            raise forms.ValidationError(_("These are not valid clip IDs.")) from None


class RemoveEndedForm(forms.Form):
    """`show`: one of the list's filters; `until`: when the list was rendered, so that later endings stay on it."""

    show = forms.ChoiceField(choices=[(name, name) for name in FILTERS])
    until = forms.DateTimeField()

    def clean_until(self) -> datetime:
        """Convert to UTC, as in the database; near the years 1 and 9999 this can overflow."""
        try:
            return self.cleaned_data["until"].astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(self.fields["until"].error_messages["invalid"]) from None

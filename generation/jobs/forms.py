"""What the pages of jobs send beside a job's identifier."""

from datetime import UTC, datetime
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from generation.jobs.activity import FILTERS

MAX_JOBS = 48
_UUID_LENGTH = 36


class SeenForm(forms.Form):
    """`jobs`: the identifiers of the jobs that were seen, separated by commas. None at all means every job."""

    jobs = forms.CharField(required=False, max_length=MAX_JOBS * (_UUID_LENGTH + 1))

    def clean_jobs(self) -> list[UUID] | None:
        try:
            return [UUID(word) for word in self.cleaned_data["jobs"].split(",") if word] or None
        except ValueError:
            raise forms.ValidationError(_("These are not valid job IDs.")) from None


class RemoveEndedForm(forms.Form):
    """`show`: one of the list's filters; `until`: when the list was made, so that nothing unseen is taken off it."""

    show = forms.ChoiceField(choices=[(name, name) for name in FILTERS])
    until = forms.DateTimeField()

    def clean_until(self) -> datetime:
        """In UTC, as the database has it: close to the year 1 or 9999 that may be no date at all."""
        try:
            return self.cleaned_data["until"].astimezone(UTC)
        except OverflowError:
            raise forms.ValidationError(self.fields["until"].error_messages["invalid"]) from None

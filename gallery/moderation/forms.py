"""The form for reporting a video."""

from django import forms
from django.utils.translation import gettext_lazy as _

from gallery.models import Reason

NOTE_LENGTH = 1000


class ReportForm(forms.Form):
    reason = forms.ChoiceField(label=_("What is wrong with it?"), choices=Reason, widget=forms.RadioSelect)
    note = forms.CharField(
        label=_("What should we know?"),
        help_text=_("Moderators read this; the person who made the clip does not."),
        max_length=NOTE_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

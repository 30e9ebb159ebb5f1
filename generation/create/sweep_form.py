"""The part of the create page that asks for several values of one or two settings."""

import secrets
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from auravideo.core.forms import choice_field, choices_of, mark_default
from generation.batches.variations import MAX_COMPARED
from generation.create.forms import CreateForm
from generation.queue import blocked_terms
from generation.requests import available, drawing
from generation.requests.fields import MAX_SEED
from generation.requests.request import InvalidRequest, RenderRequest
from generation.requests.sweeps import LABELS, MAX_TYPED, Axis, BadValues, Swept, read_axis, requests_of

_CHOICES = [(swept.value, LABELS[swept]) for swept in Swept]
NAMES = ("across", "across_values", "down", "down_values")


class SweepForm(forms.Form):
    """One or two settings and their values; once valid, it has the `axes` and a request per combination."""

    across = forms.ChoiceField(label=_("Columns"), choices=_CHOICES, initial=Swept.GUIDANCE.value)
    across_values = forms.CharField(
        label=_("Values of the columns"),
        help_text=_("Separated by commas, such as 5, 7.5, 10. Seeds and steps: also 1-4. Words: red → blue, green."),
        max_length=MAX_TYPED,
    )
    down = forms.ChoiceField(label=_("Rows"), required=False, choices=[("", _("No rows")), *_CHOICES])
    down_values = forms.CharField(label=_("Values of the rows"), required=False, max_length=MAX_TYPED)

    def __init__(self, data: Mapping | None = None, *, form: CreateForm | None = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.form = form
        self.axes: list[Axis] = []
        self.requests: list[RenderRequest] = []
        mark_default(self.fields["across"], self.fields["down"])
        if form is not None and not form.chosen_model.is_guided:
            for name in ("across", "down"):
                self._leave_out_guidance(name)
        for name in ("across_values", "down_values"):
            self.fields[name].widget.attrs["autocomplete"] = "off"

    def _leave_out_guidance(self, name: str) -> None:
        """Do not offer what has no effect on the chosen model. Whoever asks for it nevertheless is told why."""
        field = choice_field(self, name)
        field.choices = [choice for choice in choices_of(self, name) if choice[0] != Swept.GUIDANCE]
        field.error_messages["invalid_choice"] = _("The model that you chose has no guidance to vary.")
        if field.initial == Swept.GUIDANCE:
            field.initial = Swept.SEED.value

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        if self.errors or self.form is None or not self.form.is_valid():
            return data
        if data["across"] == data["down"]:
            self.add_error("down", _("Rows and columns must be different settings."))
            return data
        if data["down_values"].strip() and not data["down"]:
            self.add_error("down", _("Choose what the rows change, or clear their values."))
            return data
        self.axes = [axis for name in ("across", "down") if data[name] and (axis := self._axis(name)) is not None]
        if not self.errors:
            self._combine(self.form)
        return data

    def _axis(self, name: str) -> Axis | None:
        form, data = self.form, self.cleaned_data
        if form is None:
            return None
        try:
            return read_axis(Swept(data[name]), data[f"{name}_values"], form.cleaned_data["prompt"], form.offer)
        except BadValues as error:
            self.add_error(f"{name}_values", str(error))
            return None

    def _combine(self, form: CreateForm) -> None:
        count = 1
        for axis in self.axes:
            count *= len(axis.values)
        if count > MAX_COMPARED:
            message = _("That is %(count)s clips, and one grid has room for %(most)s. Give fewer values.")
            self.add_error("across_values", message % {"count": count, "most": MAX_COMPARED})
            return
        try:
            requests = requests_of(form.cleaned_data, self.axes, secrets.randbelow(MAX_SEED + 1), form.offer)
            blocked, lists = blocked_terms.load(), available.lists()
            for request in requests:
                drawing.check(request, form.offer.catalogue.models[request.model], lists)
                blocked.check_all(request, lists)
            self.requests = requests
        except InvalidRequest as error:
            for text in dict.fromkeys(str(text) for texts in error.errors.values() for text in texts):
                self.add_error("across_values", text)


def posted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were posted with another form, unvalidated."""
    return {name: data[name] for name in NAMES if data.get(name)}


def typed(data: Mapping[str, Any], form: CreateForm) -> SweepForm:
    """Return the form as it was posted with the create form `form`, unvalidated; empty by default."""
    return SweepForm(initial=posted(data), form=form)

"""The create form, in two modes. It validates fields one by one; `requests.choices` turns them into requests."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from auravideo.core.forms import choice_field, choices_of, mark_default
from generation.catalogue.load import Embedding, Entry, Upscaler
from generation.queue import blocked_terms
from generation.quotas.allowance import UNLIMITED, Allowance
from generation.quotas.widgets import LengthSelect, lengths
from generation.requests import available, drawing
from generation.requests.choices import LORA_PREFIX, PROMPT_TO_COME, to_requests
from generation.requests.fields import FIELDS, LORAS, MAX_PROMPT, MAX_STYLE, MIN_SIDE, WITH_GUIDANCE, Field, Kind
from generation.requests.labels import ASPECT_LABELS, QUALITY_LABELS, model_choices
from generation.requests.qualities import STANDARD
from generation.requests.request import InvalidRequest, RenderRequest
from generation.requests.sizes import CUSTOM, suggested_short_sides

SIMPLE, ADVANCED = MODES = ("simple", "advanced")
SIMPLE_FIELDS = ("prompt", "aspect", "seconds", "quality", "variations")
MAX_VARIATIONS = 8
SIMPLE_VARIATIONS = (1, 2, 4, 8)
OF_A_REQUEST = tuple(name for name, field in FIELDS.items() if field.kind not in LORAS)
MAX_TYPED = 99_999  # pixels; bounds the arithmetic only, `parse` enforces the site's limit


def _form_field(field: Field) -> forms.Field:
    """Return the form field for a request field; catalogue choices are set in the form's constructor."""
    texts: dict[str, Any] = {"label": field.label, "help_text": field.help_text, "required": field.is_required}
    range_: dict[str, Any] = {"min_value": field.minimum, "max_value": field.maximum}
    match field.kind:
        case Kind.TEXT:
            return forms.CharField(**texts, max_length=MAX_PROMPT, widget=forms.Textarea(attrs={"rows": 2}))
        case Kind.WHOLE:
            return _WholeField(**texts, **range_, unset=field.unset)
        case Kind.NUMBER:
            return forms.FloatField(**texts, **range_, widget=forms.NumberInput(attrs={"step": "0.1"}))
        case Kind.CHOICE:
            coerce: Callable[[Any], Any] = type(field.default)
            return forms.TypedChoiceField(
                **texts, coerce=coerce, choices=list(field.choices.items()), initial=field.default
            )
        case Kind.SIDE:
            return forms.IntegerField(**texts, min_value=MIN_SIDE, max_value=MAX_TYPED)
        case Kind.LENGTH:
            return forms.TypedChoiceField(**{**texts, "required": True}, coerce=int, initial=field.default)
        case _:
            return forms.ChoiceField(**texts)


class _WholeField(forms.IntegerField):
    """A whole number, or the number that other programs write for none."""

    def __init__(self, *, unset: int | None, **options: Any) -> None:
        self.unset = unset
        super().__init__(**options)

    def to_python(self, value: Any) -> int | None:
        number = super().to_python(value)
        return None if number == self.unset else number

    def widget_attrs(self, widget: forms.Widget) -> dict[str, Any]:
        attrs = super().widget_attrs(widget)
        return attrs if self.unset is None else {**attrs, "min": self.unset}


class _UnusedField(forms.CharField):
    """A field that the model lacks: it keeps what was typed, and means nothing."""

    def clean(self, value: Any) -> str:
        return ""


class CreateForm(forms.Form):
    """The create form; once valid, `requests` holds one request per variation.

    Its fields are the request's own, plus the ones declared here, each of which stands for several request fields.

    Switching modes loses nothing: simple mode hides the advanced fields but keeps their values. There, the quality
    stands in for size, frame rate and steps.
    """

    quality = forms.ChoiceField(
        label=FIELDS["quality"].label,
        help_text=_("Size, smoothness and detail. Try a draft first."),
        initial=STANDARD,
    )
    aspect = forms.ChoiceField(label=_("Shape"), help_text=_("Width to height."))
    short_side = forms.IntegerField(
        label=_("Resolution"),
        help_text=_("The shorter side in pixels. Larger sizes are upscaled."),
        required=False,
        min_value=MIN_SIDE,
        max_value=MAX_TYPED,
    )
    variations = forms.IntegerField(
        label=_("Variations"),
        help_text=_("How many to make. Each gets its own seed."),
        required=False,
        min_value=1,
        max_value=MAX_VARIATIONS,
        initial=1,
    )

    def __init__(
        self,
        data: Mapping | None = None,
        *,
        mode: str = SIMPLE,
        initial: Mapping | None = None,
        allowance: Allowance = UNLIMITED,
    ) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.fields = {name: _form_field(FIELDS[name]) for name in OF_A_REQUEST} | self.fields
        self.mode = mode
        self.allowance = allowance
        self.offer = available.offer(allowance.limits)
        self.requests: list[RenderRequest] = []
        values = self.data if self.is_bound else self.initial
        self.chosen_model = self.offer.chosen_model(values)
        self.chosen_adapter = self.offer.chosen_adapter(values)
        self._set_choices(values)
        self._set_lengths(values)
        self._leave_out_what_the_model_lacks()
        self._add_loras()
        self._suggest(values)
        self._tell_limits()
        self._show_mode()

    def _set_choices(self, values: Mapping[str, Any]) -> None:
        model, fields = self.chosen_model, self.fields
        choice_field(self, "model").choices = model_choices(self.offer.models())
        fields["model"].initial = model.id
        fields["model"].help_text = model.purpose
        choice_field(self, "motion_adapter").choices = [(found.id, found.label) for found in self.offer.adapters(model)]
        fields["motion_adapter"].initial = model.adapter
        choice_field(self, "fps").choices = [(fps, str(fps)) for fps in self.offer.rates(values)]
        fields["fps"].initial = self.offer.quality(STANDARD, values).fps
        # Simple mode offers the advanced-only choices only if they are already selected.
        aspects = [id for id in ASPECT_LABELS if id != CUSTOM or self.mode == ADVANCED or values.get("aspect") == id]
        choice_field(self, "aspect").choices = [(id, ASPECT_LABELS[id]) for id in aspects]
        fields["aspect"].initial = model.usual_aspect
        qualities = [id for id in QUALITY_LABELS if id != CUSTOM or values.get("quality") == id]
        choice_field(self, "quality").choices = [(id, QUALITY_LABELS[id]) for id in qualities]

    def _set_lengths(self, values: Mapping[str, Any]) -> None:
        """Offer the lengths that the model makes, and say why there are no more."""
        limits, field = self.offer.limits, choice_field(self, "seconds")
        longest = self.offer.longest(values)
        offered, all_lengths = lengths(limits, longest), lengths(limits)
        given = str(values.get("seconds") or "")  # a longer one was for another model: `clean` says what is wrong
        field.widget = LengthSelect(limits)
        field.choices = [*offered, *(choice for choice in all_lengths[len(offered) :] if str(choice[0]) == given)]
        field.initial = min(FIELDS["seconds"].default, limits.max_seconds, len(offered))
        if len(offered) < min(limits.max_seconds, len(all_lengths)):
            self._add_help("seconds", _("This model: up to %s s.") % longest)

    def _leave_out_what_the_model_lacks(self) -> None:
        """Remove or hide fields. What was typed in the hidden ones has no effect, and is there for the next model."""
        if self.chosen_adapter is None:
            del self.fields["motion_adapter"]
        if not self.chosen_model.is_guided:
            for name in WITH_GUIDANCE:
                self.fields[name] = _UnusedField(label=FIELDS[name].label, required=False, widget=forms.HiddenInput)

    def _add_loras(self) -> None:
        self.camera_motions = self.offer.loras(self.chosen_adapter)
        self.styles = self.offer.styles(self.chosen_model)
        self._add_strengths(self.camera_motions, 0, 1)
        self._add_strengths(self.styles, -MAX_STYLE, MAX_STYLE)

    def _add_strengths(self, loras: Sequence[Entry], lowest: float, highest: float) -> None:
        for lora in loras:
            self.fields[LORA_PREFIX + lora.id] = forms.FloatField(
                label=lora.label,
                help_text=lora.purpose,
                required=False,
                min_value=lowest,
                max_value=highest,
                widget=forms.NumberInput(attrs={"step": "0.05", "placeholder": "0"}),
            )

    def _suggest(self, values: Mapping[str, Any]) -> None:
        """Set bounds as HTML attributes, and placeholders showing what an empty field means."""
        self.fields["prompt"].widget.attrs |= {"rows": 3, "autofocus": True}
        self.fields["prompt"].error_messages["required"] = _("Describe what the clip should show, in a sentence.")
        largest = self.offer.limits.max_side // 2 * 2
        for name in ("short_side", "width", "height"):
            self.fields[name].widget.attrs |= {"max": largest, "step": 2}
        self.fields["short_side"].widget.attrs["list"] = "short-sides"
        self.fields["short_side"].initial = self.offer.quality(STANDARD, values).short_side
        for name, value in {**self.offer.usual(values), "seed": _("random")}.items():
            if not self.fields[name].widget.is_hidden:
                self.fields[name].widget.attrs["placeholder"] = value

    def _tell_limits(self) -> None:
        """Say at the field what the user's own quota allows; the fields of users without one stay as they are."""
        limits = self.offer.limits
        if limits.is_own_seconds:
            self._add_help("seconds", _("Your account: up to %s s.") % limits.max_seconds)
        if limits.is_own_side:
            text = _("Your account: up to %s pixels on the longer side.") % limits.max_side
            for name in ("quality", "short_side", "width", "height"):
                self._add_help(name, text)

    def _add_help(self, name: str, text: str) -> None:
        field = self.fields[name]
        field.help_text = f"{field.help_text} {text}"

    def _show_mode(self) -> None:
        if self.mode == ADVANCED:
            del self.fields["quality"]
            names = ("short_side", "width", "height", "fps", "format", "model", "motion_adapter", "variations")
            mark_default(*(self.fields[name] for name in names if name in self.fields))
            return
        self.fields["aspect"].widget = forms.RadioSelect(choices=choices_of(self, "aspect"))
        self.fields["quality"].widget = forms.RadioSelect(choices=choices_of(self, "quality"))
        self.fields["variations"].widget = forms.RadioSelect(choices=[(n, n) for n in self._counts()])
        for name, field in self.fields.items():
            if name not in SIMPLE_FIELDS:
                field.widget = forms.HiddenInput()

    def _counts(self) -> list[int]:
        """Return the numbers of variations that simple mode offers: any other only if it is already chosen."""
        value = self["variations"].value()
        typed = int(value) if str(value).isdecimal() and len(str(value)) == 1 else 1
        return sorted({*SIMPLE_VARIATIONS, max(1, typed)})

    @property
    def short_sides(self) -> list[int]:
        """Return the suggestions for the shorter side, in pixels."""
        return suggested_short_sides(self.chosen_model, self.offer.limits.max_side)

    @property
    def camera_motion_fields(self) -> list[forms.BoundField]:
        return [self[LORA_PREFIX + lora.id] for lora in self.camera_motions]

    @property
    def style_fields(self) -> list[forms.BoundField]:
        return [self[LORA_PREFIX + lora.id] for lora in self.styles]

    @cached_property
    def embeddings(self) -> list[Embedding]:
        """Return the textual inversions whose words the chosen model knows."""
        return self.offer.embeddings(self.chosen_model)

    @property
    def upscaler(self) -> Upscaler:
        """Return what enlarges the clips of the chosen model."""
        return self.offer.catalogue.upscalers[self.chosen_model.upscaler]

    @property
    def hidden_errors(self) -> list[tuple[Any, Any]]:
        """Return (label, messages) for each hidden field with errors."""
        return [(field.label, field.errors) for field in self.hidden_fields() if field.errors]

    def values(self) -> dict[str, Any]:
        """Return the current values, typed or initial, usable as another form's initial values."""
        return {name: self[name].value() for name in self.fields if self[name].value() is not None}

    @cached_property
    def choices(self) -> dict[str, Any] | None:
        """Return the cleaned current values with a placeholder prompt; None if any other field is invalid."""
        found = {}
        for name, field in self.fields.items():
            try:
                found[name] = PROMPT_TO_COME if name == "prompt" else field.clean(self[name].value())
            except ValidationError:
                return None
        return found

    def outline(self, **changes: Any) -> list[RenderRequest]:
        """Return the requests with a placeholder prompt and `changes` applied; an empty list if anything is invalid."""
        try:
            return to_requests({**self.choices, **changes}, self.offer) if self.choices is not None else []
        except InvalidRequest:
            return []

    def clean(self) -> dict[str, Any]:
        """Turn the fields into requests; cross-field errors are attached to the field that they concern."""
        super().clean()
        data = self.cleaned_data
        if self.errors.keys() - {"prompt"}:
            return data
        try:
            requests = to_requests({**data, "prompt": data.get("prompt", PROMPT_TO_COME)}, self.offer)
            if not self.errors:
                self._require_allowed(requests[0])
                self.requests = requests
        except InvalidRequest as error:
            for name, texts in error.errors.items():
                for text in texts:
                    self.add_error(name if name in self.fields else None, text)
        return data

    def _require_allowed(self, request: RenderRequest) -> None:
        """Raise InvalidRequest if this site does not render one of the prompts that can be drawn."""
        lists = available.lists()
        drawing.check(request, self.chosen_model, lists)
        blocked_terms.load().check_all(request, lists)

    @property
    def render_request(self) -> RenderRequest:
        """Return the first variation's request; the form must be valid."""
        return self.requests[0]

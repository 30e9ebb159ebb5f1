"""The create form, in two modes. Its fields are text or choices; what they mean together is decided by params.parse."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from auravideo.core.forms import choice_field, choices_of, mark_default
from generation.queue import blocked_terms
from generation.requests import available
from generation.requests.available import LORA_PREFIX
from generation.requests.labels import ASPECT_LABELS, FORMAT_LABELS, QUALITY_LABELS
from generation.requests.qualities import STANDARD
from generation.requests.request import (
    FORMATS,
    FPS,
    MAX_GUIDANCE,
    MAX_PROMPT,
    MAX_SEED,
    MAX_STEPS,
    MIN_SIDE,
    InvalidRequest,
    RenderRequest,
    parse,
)
from generation.requests.sizes import CUSTOM, largest_short_side_of, scaled, size_of, suggested_short_sides

SIMPLE, ADVANCED = MODES = ("simple", "advanced")
SIMPLE_FIELDS = ("prompt", "aspect", "seconds", "quality")
MAX_VARIATIONS = 8
MAX_TYPED = 99_999  # pixels that can be typed and reckoned with; what may be made is params.py's to say


class CreateForm(forms.Form):
    """What a person asks for; a valid form has `requests`, one for each variation.

    Both modes have all fields, so that switching loses nothing. In the simple mode those of the advanced one are hidden
    and hold what was set there; the quality takes the place of the size, the rate and the steps.
    """

    prompt = forms.CharField(
        label=_("Prompt"),
        help_text=_("What the clip shows, in a sentence."),
        max_length=MAX_PROMPT,
        error_messages={"required": _("Describe what the clip should show, in a sentence.")},
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
    )
    negative_prompt = forms.CharField(
        label=_("Negative prompt"),
        help_text=_("What the clip should not show."),
        required=False,
        max_length=MAX_PROMPT,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    quality = forms.ChoiceField(
        label=_("Quality"),
        help_text=_("How large, smooth and careful. Try a draft first."),
        initial=STANDARD,
    )
    aspect = forms.ChoiceField(
        label=_("Shape"), help_text=_("The shape of the picture, width to height."), initial="1:1"
    )
    short_side = forms.IntegerField(
        label=_("Resolution"),
        help_text=_("The shorter side in pixels; larger is upscaled."),
        required=False,
        min_value=MIN_SIDE,
        max_value=MAX_TYPED,
    )
    width = forms.IntegerField(
        label=_("Width"),
        help_text=_("In pixels, for a custom shape."),
        required=False,
        min_value=MIN_SIDE,
        max_value=MAX_TYPED,
    )
    height = forms.IntegerField(
        label=_("Height"),
        help_text=_("In pixels, for a custom shape."),
        required=False,
        min_value=MIN_SIDE,
        max_value=MAX_TYPED,
    )
    seconds = forms.TypedChoiceField(label=_("Length"), help_text=_("How long the clip plays."), coerce=int, initial=2)
    fps = forms.TypedChoiceField(
        label=_("Frame rate"),
        help_text=_("Frames a second; more is smoother."),
        required=False,
        coerce=int,
        choices=[(fps, str(fps)) for fps in FPS],
        initial=24,
    )
    format = forms.ChoiceField(
        label=_("Format"),
        help_text=_("MP4 plays everywhere."),
        required=False,
        choices=[(id, FORMAT_LABELS[id]) for id in FORMATS],
        initial="mp4",
    )
    model = forms.ChoiceField(label=_("Model"), help_text=_("The base model that paints the frames."), required=False)
    motion_adapter = forms.ChoiceField(
        label=_("Motion adapter"), help_text=_("What sets the painted frames in motion."), required=False
    )
    steps = forms.IntegerField(
        label=_("Steps"),
        help_text=_("Denoising steps; empty means what suits the model."),
        required=False,
        min_value=1,
        max_value=MAX_STEPS,
    )
    guidance = forms.FloatField(
        label=_("Guidance"),
        help_text=_("How strictly the prompt is followed; empty means what suits the model."),
        required=False,
        min_value=0,
        max_value=MAX_GUIDANCE,
        widget=forms.NumberInput(attrs={"step": "0.1"}),
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        help_text=_("The same seed gives the same clip; empty draws a new one."),
        required=False,
        min_value=0,
        max_value=MAX_SEED,
    )
    variations = forms.IntegerField(
        label=_("Variations"),
        help_text=_("So many clips at once: the seed and those that follow it, or each with a new one."),
        required=False,
        min_value=1,
        max_value=MAX_VARIATIONS,
        initial=1,
    )

    def __init__(self, data: Mapping | None = None, *, mode: str = SIMPLE, initial: Mapping | None = None) -> None:
        super().__init__(data, initial=dict(initial or {}))
        self.mode = mode
        self.requests: list[RenderRequest] = []
        values = self.data if self.is_bound else self.initial
        self.chosen_model = available.chosen_model(values)
        self.chosen_adapter = available.chosen_adapter(values)
        self._set_choices(values)
        self._add_camera_motions(values)
        self._suggest(values)
        self._show_mode()

    def _set_choices(self, values: Mapping[str, Any]) -> None:
        models, model = available.models(), self.chosen_model
        choice_field(self, "model").choices = [(found.id, found.label) for found in models]
        self.fields["model"].initial = model.id
        choice_field(self, "motion_adapter").choices = [(found.id, found.label) for found in available.adapters(model)]
        self.fields["motion_adapter"].initial = model.adapter
        choice_field(self, "seconds").choices = [(n, _("%s s") % n) for n in range(1, settings.MAX_SECONDS + 1)]
        # In the simple mode, what can only be set in the other one is a choice where it has been set.
        aspects = [id for id in ASPECT_LABELS if id != CUSTOM or self.mode == ADVANCED or values.get("aspect") == id]
        choice_field(self, "aspect").choices = [(id, ASPECT_LABELS[id]) for id in aspects]
        qualities = [id for id in QUALITY_LABELS if id != CUSTOM or values.get("quality") == id]
        choice_field(self, "quality").choices = [(id, QUALITY_LABELS[id]) for id in qualities]

    def _add_camera_motions(self, values: Mapping[str, Any]) -> None:
        self.camera_motions = available.loras(self.chosen_adapter)
        for lora in self.camera_motions:
            self.fields[LORA_PREFIX + lora.id] = forms.FloatField(
                label=lora.label,
                help_text=lora.purpose,
                required=False,
                min_value=0,
                max_value=1,
                widget=forms.NumberInput(attrs={"step": "0.05", "placeholder": "0"}),
            )

    def _suggest(self, values: Mapping[str, Any]) -> None:
        """Bounds and what an empty field means, where the browser can show them."""
        largest = settings.MAX_SIDE // 2 * 2
        for name in ("short_side", "width", "height"):
            self.fields[name].widget.attrs |= {"max": largest, "step": 2}
        self.fields["short_side"].widget.attrs["list"] = "short-sides"
        self.fields["short_side"].initial = available.chosen_quality(STANDARD, values).short_side
        self.fields["steps"].widget.attrs["placeholder"] = available.usual_steps(values)
        self.fields["guidance"].widget.attrs["placeholder"] = available.usual_guidance(values)
        self.fields["seed"].widget.attrs["placeholder"] = _("random")

    def _show_mode(self) -> None:
        if self.mode == ADVANCED:
            del self.fields["quality"]
            for name in ("short_side", "fps", "format", "model", "motion_adapter", "variations"):
                mark_default(self.fields[name])
            return
        self.fields["aspect"].widget = forms.RadioSelect(choices=choices_of(self, "aspect"))
        self.fields["quality"].widget = forms.RadioSelect(choices=choices_of(self, "quality"))
        for name, field in self.fields.items():
            if name not in SIMPLE_FIELDS:
                field.widget = forms.HiddenInput()

    @property
    def short_sides(self) -> list[int]:
        """What the field for the shorter side suggests."""
        return suggested_short_sides(self.chosen_model, settings.MAX_SIDE)

    @property
    def camera_motion_fields(self) -> list[forms.BoundField]:
        return [self[LORA_PREFIX + lora.id] for lora in self.camera_motions]

    @property
    def hidden_errors(self) -> list[tuple[Any, Any]]:
        """(label, messages) of what is wrong in fields that this mode does not show."""
        return [(field.label, field.errors) for field in self.hidden_fields() if field.errors]

    def values(self) -> dict[str, Any]:
        """What the fields hold now, whether typed or preset; what another form of this kind can start from."""
        return {name: self[name].value() for name in self.fields if self[name].value() is not None}

    def clean(self) -> dict[str, Any]:
        """Turn the fields into requests; what is wrong with them together is said at the field it is about."""
        super().clean()
        data = self.cleaned_data
        if self.errors:
            return data
        asked = self._asked(data)
        if self.errors:
            return data
        try:
            request = parse(asked, available.catalogue(), available.limits())
            blocked_terms.load().check(request.prompt)
        except InvalidRequest as error:
            for name, texts in error.errors.items():
                for text in texts:
                    self.add_error(self._place_of(name), text)
        else:
            self.requests = self._variations(request, data.get("variations") or 1)
        return data

    @property
    def render_request(self) -> RenderRequest:
        """The request of a valid form, the first of its variations."""
        return self.requests[0]

    def _asked(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a request."""
        data = {**data, "model": self.chosen_model.id, "preset": ""}
        if self.mode == SIMPLE and data["quality"] != CUSTOM:
            found = available.chosen_quality(data["quality"], data)
            data |= {"fps": found.fps, "steps": found.steps, "preset": data["quality"]}
            data |= self._scaled(data, found.short_side)
        width, height = self._size(data)
        loras = [(lora.id, data.get(LORA_PREFIX + lora.id)) for lora in self.camera_motions]
        names = ("prompt", "negative_prompt", "seconds", "fps", "format", "model", "motion_adapter", "steps")
        return {
            **{name: data.get(name) for name in (*names, "guidance", "seed", "preset")},
            "width": width,
            "height": height,
            "motion_loras": [pair for pair in loras if pair[1]],
        }

    def _scaled(self, data: Mapping[str, Any], short_side: int) -> dict[str, int]:
        """The size of a quality; a custom shape keeps its proportions."""
        if data["aspect"] != CUSTOM or not (data.get("width") and data.get("height")):
            return {"short_side": short_side}
        width, height = scaled(data["width"], data["height"], short_side, settings.MAX_SIDE)
        return {"width": width, "height": height}

    def _size(self, data: Mapping[str, Any]) -> tuple[int | None, int | None]:
        aspect = data["aspect"]
        if aspect == CUSTOM:
            for name in ("width", "height"):
                if not data.get(name):
                    self.add_error(self._place_of(name), _("A custom shape needs a width and a height."))
            return data.get("width"), data.get("height")
        short_side = data.get("short_side") or available.chosen_quality(STANDARD, data).short_side
        width, height = size_of(short_side, aspect)
        if max(width, height) > settings.MAX_SIDE:
            largest = largest_short_side_of(aspect, self.chosen_model, settings.MAX_SIDE)
            message = _("The longer side would have %(longer)s pixels, and this site allows %(limit)s. At most "
                        "%(largest)s fit here.")  # fmt: skip
            values = {"longer": max(width, height), "limit": settings.MAX_SIDE, "largest": largest}
            self.add_error("short_side", message % values)
        return width, height

    def _place_of(self, name: str) -> str | None:
        """The field at which a message of params.parse belongs."""
        if name in ("width", "height") and self.cleaned_data.get("aspect") != CUSTOM:
            name = "short_side"
        return name if name in self.fields else None

    def _variations(self, request: RenderRequest, count: int) -> list[RenderRequest]:
        if request.seed is None:
            return [request] * count
        return [replace(request, seed=(request.seed + n) % (MAX_SEED + 1)) for n in range(count)]

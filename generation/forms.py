"""The create form. Its fields are text or choices; what they mean together is decided by params.parse alone."""

from collections.abc import Iterator

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from generation import services
from generation.params import FORMATS, FPS, MAX_GUIDANCE, MAX_PROMPT, MAX_SEED, MAX_STEPS, InvalidRequest, parse
from generation.plan import largest_short_side

SHORT_SIDES = (128, 256, 384, 512, 768, 1024, 1536, 2048)
ASPECTS = {"1:1": (1, 1), "16:9": (16, 9), "3:2": (3, 2), "2:3": (2, 3), "9:16": (9, 16)}
FORMAT_LABELS = {"mp4": _("MP4 (H.264)"), "webm": _("WebM (VP9)"), "gif": _("GIF")}


def sizes(model) -> Iterator[tuple[str, str]]:
    """The sizes that the form offers for a model, as ('456x256', '456 × 256 (16:9)')."""
    for short in SHORT_SIDES:
        for name, (across, down) in ASPECTS.items():
            longer = round(short * max(across, down) / min(across, down) / 8) * 8
            width, height = (longer, short) if across >= down else (short, longer)
            if short <= largest_short_side(model) and longer <= settings.MAX_SIDE:
                yield f"{width}x{height}", f"{width} × {height} ({name})"


class CreateForm(forms.Form):
    """What a person asks for. A valid form has `render_request`."""

    prompt = forms.CharField(
        label=_("Prompt"),
        help_text=_("What the clip shows, in a sentence."),
        max_length=MAX_PROMPT,
        widget=forms.Textarea(attrs={"rows": 3, "autofocus": True}),
    )
    negative_prompt = forms.CharField(
        label=_("Negative prompt"),
        help_text=_("What the clip should not show."),
        required=False,
        max_length=MAX_PROMPT,
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    size = forms.ChoiceField(label=_("Size"), help_text=_("Width × height in pixels."), initial="256x256")
    seconds = forms.TypedChoiceField(label=_("Length"), help_text=_("In seconds."), coerce=int, initial=2)
    fps = forms.TypedChoiceField(
        label=_("Frame rate"),
        help_text=_("Frames a second; more is smoother."),
        coerce=int,
        choices=[(fps, str(fps)) for fps in FPS],
        initial=24,
    )
    format = forms.ChoiceField(
        label=_("Format"),
        help_text=_("MP4 plays everywhere."),
        choices=[(id, FORMAT_LABELS[id]) for id in FORMATS],
        initial="mp4",
    )
    model = forms.ChoiceField(label=_("Model"), help_text=_("The base model that paints the frames."))
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
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        help_text=_("The same seed gives the same clip; empty draws a new one."),
        required=False,
        min_value=0,
        max_value=MAX_SEED,
    )

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        catalogue = services.catalogue()
        models = [model for model in catalogue.models.values() if model.is_available(settings.HOME)]
        self.fields["model"].choices = [(model.id, model.label) for model in models]
        self.fields["model"].initial = catalogue.default_model.id
        self.fields["seconds"].choices = [(n, str(n)) for n in range(1, settings.MAX_SECONDS + 1)]
        offered = dict(pair for model in models for pair in sizes(model))
        self.fields["size"].choices = list(offered.items())

    def clean(self) -> dict:
        """Turn the fields into one request; what is wrong with them together is said at the field it is about."""
        data = super().clean()
        if self.errors:
            return data
        try:
            self.render_request = parse(data, services.catalogue(), services.limits())
        except InvalidRequest as error:
            for field, messages in error.errors.items():
                for message in messages:
                    self.add_error(field if field in self.fields else None, message)
        return data

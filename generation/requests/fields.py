"""The fields of a request, each defined once, for the parser, the form, prefill, presets and pages.

A field that is missing here does not exist for them. To add one, see docs/developing.md, 'A field of the request';
tests/generation/requests/test_fields.py reports any step left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext_lazy as _

from auravideo.core.media.formats import FORMAT_LABELS

FPS = (8, 16, 24, 25, 30, 32)  # a page offers those that suit the model: see rates.py
MIN_SIDE = 128
MAX_PROMPT = 1000  # characters; far more than any text encoder in the catalogue reads
MAX_STEPS = 100
MAX_GUIDANCE = 30.0
MAX_SEED = 2**32 - 1
MAX_LORAS = 8
MAX_STYLE = 2.0  # either way; beyond it, pictures fall apart
WITH_GUIDANCE = ("negative_prompt", "guidance")  # have no effect on models without guidance
RENAMED = {"preset": "quality"}  # old name -> name, in batch files and stored requests


class Kind(StrEnum):
    """The type of a field. The plain kinds are parsed, shown and prefilled from their row in `FIELDS` alone."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    CHOICE = "choice"
    SIDE = "side"  # pixels; pages offer a shape and a resolution instead
    LENGTH = "length"  # seconds, up to the operator's limit
    ENTRY = "entry of the catalogue"
    MOTIONS = "camera motions"  # pairs of a catalogue entry and its strength
    STYLES = "styles"  # the same
    QUALITY = "quality"  # a name stored with the clip; the other fields hold the values it stands for


LORAS = (Kind.MOTIONS, Kind.STYLES)
PLAIN = (Kind.TEXT, Kind.WHOLE, Kind.NUMBER, Kind.CHOICE)


class Role(StrEnum):
    """How the text encoder uses a text field."""

    PROMPT = "prompt"  # part of `RenderRequest.engine_prompt`
    NEGATIVE = "negative"  # what to keep out of the clip, so blocked terms do not apply


class Facts(StrEnum):
    """The place of a field on the page of a video: before or after the facts read from the file."""

    SUBJECT = "subject"
    SAMPLING = "sampling"


@dataclass(frozen=True)
class Field:
    """One field of a request.

    `default` None means the model's default, or nothing. `choices` maps values to labels. Numbers range from `minimum`
    to `maximum`, inclusive. `by_quality`: set by the quality unless set by hand. `mention` is how the simple mode
    reports that a plain field is set, with %s for the value. `facts` None: the page of a video shows it some other way.
    `unset` is a number that means "not given" as well, since other programs write it so.
    """

    name: str
    kind: Kind
    label: Any
    help_text: Any = ""
    role: Role | None = None
    is_required: bool = False
    default: Any = None
    choices: Mapping[Any, Any] = field(default_factory=dict)
    minimum: float | None = None
    maximum: float | None = None
    by_quality: bool = False
    mention: Any = ""
    in_preset: bool = True
    facts: Facts | None = None
    unset: int | None = None


_FIELDS = (
    Field(
        "prompt",
        Kind.TEXT,
        _("Prompt"),
        _("What the clip shows, in a sentence."),
        role=Role.PROMPT,
        is_required=True,
        in_preset=False,
    ),
    Field(
        "negative_prompt",
        Kind.TEXT,
        _("Negative prompt"),
        _("What the clip should not show."),
        role=Role.NEGATIVE,
        mention=_("negative prompt"),
        facts=Facts.SUBJECT,
    ),
    Field("width", Kind.SIDE, _("Width"), _("In pixels, for a custom shape."), by_quality=True),
    Field("height", Kind.SIDE, _("Height"), _("In pixels, for a custom shape."), by_quality=True),
    Field("seconds", Kind.LENGTH, _("Length"), _("How long the clip plays."), default=2, minimum=1),
    Field(
        "fps",
        Kind.CHOICE,
        _("Frame rate"),
        _("Frames per second. More is smoother."),
        default=24,
        choices={fps: str(fps) for fps in FPS},
        by_quality=True,
        mention=_("%s fps"),
    ),
    Field(
        "format",
        Kind.CHOICE,
        _("Format"),
        _("MP4 plays everywhere."),
        default="mp4",
        choices=FORMAT_LABELS,
        mention="%s",
    ),
    Field(
        "model",
        Kind.ENTRY,
        _("Model"),
        _("The base model that generates the frames."),
        facts=Facts.SUBJECT,
    ),
    Field(
        "motion_adapter",
        Kind.ENTRY,
        _("Motion adapter"),
        _("What sets the frames in motion."),
        facts=Facts.SUBJECT,
    ),
    Field("motion_loras", Kind.MOTIONS, _("Camera motion"), facts=Facts.SUBJECT),
    Field(
        "steps",
        Kind.WHOLE,
        _("Steps"),
        _("Denoising steps. Leave empty for the model's default."),
        minimum=1,
        maximum=MAX_STEPS,
        by_quality=True,
        mention=_("%s steps"),
        facts=Facts.SAMPLING,
    ),
    Field(
        "guidance",
        Kind.NUMBER,
        _("Guidance"),
        _("How closely to follow the prompt. Leave empty for the model's default."),
        minimum=0,
        maximum=MAX_GUIDANCE,
        mention=_("guidance %s"),
        facts=Facts.SAMPLING,
    ),
    Field(
        "seed",
        Kind.WHOLE,
        _("Seed"),
        _("The same seed gives the same clip. Leave empty for a random one."),
        minimum=0,
        maximum=MAX_SEED,
        mention=_("seed %s"),
        facts=Facts.SAMPLING,
        unset=-1,
    ),
    Field("quality", Kind.QUALITY, _("Quality"), in_preset=False, facts=Facts.SUBJECT),
    Field("style_loras", Kind.STYLES, _("Style"), facts=Facts.SUBJECT),
)
FIELDS: Mapping[str, Field] = {found.name: found for found in _FIELDS}
# Under these names, a stored request holds the templates from which its texts were drawn (requests/drawing.py).
TEMPLATES: Mapping[str, str] = {found.name: f"{found.name}_template" for found in _FIELDS if found.role is not None}


def with_present_names(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data` with old field names replaced by the current ones; a current name wins over an old one."""
    old = {RENAMED[name]: value for name, value in data.items() if name in RENAMED}
    return {**old, **{name: value for name, value in data.items() if name not in RENAMED}}

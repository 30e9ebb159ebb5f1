"""Render requests, frozen and validated, whatever their source (form, batch file, another video)."""

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.catalogue.load import BaseModel, Catalogue, MotionAdapter
from generation.domain.plan import TooLarge, TooLong, longest, plan
from generation.domain.shapes import Size
from generation.requests.fields import (
    FIELDS,
    LORAS,
    MAX_LORAS,
    MAX_PROMPT,
    MAX_STYLE,
    MIN_SIDE,
    RENAMED,
    TEMPLATES,
    Field,
    Kind,
    Role,
    with_present_names,
)
from generation.requests.limits import Limits
from generation.requests.prompts import faults
from generation.requests.qualities import usual_size
from generation.requests.rates import standard_rate
from generation.requests.values import decimal_number, has_surrogates, is_blank, lora_pairs, whole_number

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")  # all but tab, line feed and carriage return
# What chat programs put around what is copied: bidirectional embeddings, overrides and isolates, and a lost byte order
# mark. They are invisible, so nobody can remove them by hand.
_PASTED = re.compile("[\u202a-\u202e\u2066-\u2069\ufeff]")
MOST_TOLD = 5  # unknown fields
OWN_SECONDS = _("Clips of your account can be up to %s s long.")
OWN_SIDE = _("Clips of your account can have up to %s pixels on the longer side.")
_LORA_FIELDS = tuple(field for field in FIELDS.values() if field.kind in LORAS)


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """A valid request. Sizes in pixels, even; `fps` in frames per second; `seed` None picks a random one."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    seconds: int
    fps: int
    format: str
    model: str
    motion_adapter: str
    motion_loras: tuple[tuple[str, float], ...]
    steps: int
    guidance: float
    seed: int | None
    quality: str = ""
    style_loras: tuple[tuple[str, float], ...] = ()

    @property
    def engine_prompt(self) -> str:
        """Return the text for the text encoder. All prompt checks (blocked terms, tokens, vocabulary) use it."""
        texts = (getattr(self, field.name) for field in FIELDS.values() if field.role is Role.PROMPT)
        return ", ".join(text for text in texts if text)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-serializable dict for `from_dict`."""
        pairs = {field.name: [list(pair) for pair in getattr(self, field.name)] for field in _LORA_FIELDS}
        return {**asdict(self), **pairs}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RenderRequest":
        """Return the request stored by `to_dict`, by this version or another. Unknown fields are ignored.

        Raises:
            InvalidRequest: a field is missing or holds what no version stores. Whether the catalogue still has the
                models, and whether this site allows the values, is for `parse` to say.
        """
        data = with_present_names(data)
        known: dict[str, Any] = {}
        unreadable = []
        for field in fields(cls):
            if field.name not in data and field.default is not MISSING:
                continue
            try:
                known[field.name] = _stored(FIELDS[field.name], field.type, data[field.name])
            except (KeyError, TypeError, ValueError):
                unreadable.append(FIELDS[field.name].label)
        if unreadable:
            message = _("Another version stored these settings of the clip, and they cannot be read: %s.")
            raise InvalidRequest({"settings": [message % ", ".join(map(str, unreadable))]})
        return cls(**known)


class InvalidRequest(ValueError):
    """A request that cannot be rendered: `errors` maps each field to its messages."""

    def __init__(self, errors: Mapping[str, list[Any]]) -> None:
        self.errors = {field: list(messages) for field, messages in errors.items()}
        super().__init__("; ".join(f"{field}: {' '.join(map(str, texts))}" for field, texts in self.errors.items()))


def parse(data: Mapping[str, Any], catalogue: Catalogue, limits: Limits) -> RenderRequest:
    """Return the request described by `data`, with defaults for missing fields.

    Args:
        data: fields of `RenderRequest`, as text or numbers; None and '' mean 'not given'. `size` ('256x144') replaces
            `width` and `height`; old field names (`RENAMED`) are accepted.
    Raises:
        InvalidRequest: with a message for every wrong or unknown field.
    """
    return _Parser(data, catalogue, limits).parse()


def _stored(field: Field, type: Any, value: Any) -> Any:
    """Return a stored value as `type`, that of its field. Raises TypeError or ValueError if that is impossible."""
    if field.kind in LORAS:
        return tuple((str(id), float(weight)) for id, weight in value)
    if type is str and isinstance(value, str):
        return value
    if type == int | None and value is None:
        return None
    number = math.nan if type is str else decimal_number(value) if type is float else whole_number(value)
    least = 1 if type is int else 0  # a side, length, rate or number of steps
    if number is None or not math.isfinite(number) or number < least:
        raise ValueError(f"{value!r} is no {field.name}")
    return number


class _Parser:
    def __init__(self, data: Mapping[str, Any], catalogue: Catalogue, limits: Limits) -> None:
        cleaned = {str(key): _PASTED.sub("", value) if isinstance(value, str) else value for key, value in data.items()}
        given = {key: value for key, value in cleaned.items() if value is not None and value != ""}
        self.data = with_present_names(given)
        self.catalogue = catalogue
        self.limits = limits
        self.errors: dict[str, list[Any]] = {}
        self.defaults: Mapping[str, Any] = {}
        self.written = {RENAMED[name]: name for name in given if name in RENAMED}  # messages use the given name
        for name, old in self.written.items():
            if name in given:
                self._fail(old, _("This is the old name of %s. Give one of the two.") % name)

    def parse(self) -> RenderRequest:
        self._refuse_unknown_fields()
        model = self._model()
        adapter = self._adapter(model)
        self._refuse_guidance(model)
        width, height = self._size(model)
        self.defaults = {
            "seconds": min(FIELDS["seconds"].default, self.limits.max_seconds, _longest(model)),
            "fps": standard_rate(model.native_fps) if model else FIELDS["fps"].default,
            "steps": model.usual_steps(adapter) if model else 25,
            "guidance": model.usual_guidance(adapter) if model else 7.5,
        }
        decided: dict[str, Any] = {
            "width": width,
            "height": height,
            "model": model.id if model else "",
            "motion_adapter": adapter.id if adapter else "",
            "motion_loras": self._motions(adapter),
            "style_loras": self._styles(model),
        }
        values: dict[str, Any] = {
            name: decided[name] if name in decided else self._read(FIELDS[name]) for name in FIELDS
        }
        if model is not None:
            self._check_prompts(values, model)
        if not self.errors and model is not None:
            self._check_reach(values, model)
        if self.errors:
            raise InvalidRequest(self.errors)
        return RenderRequest(**values)

    def _fail(self, field: str, message: Any) -> None:
        """Add a message to a field once: both sides of a size may be wrong for the same reason."""
        messages = self.errors.setdefault(self.written.get(field, field), [])
        if message not in messages:
            messages.append(message)

    def _refuse_unknown_fields(self) -> None:
        known = {*FIELDS, "size"}
        for name in sorted(set(self.data) - known)[:MOST_TOLD]:
            self._fail(name[:50], _("There is no such field. The fields are: %s.") % ", ".join(sorted(known)))

    def _read(self, field: Field) -> Any:
        """Return the value of a field that does not depend on any other."""
        match field.kind:
            case Kind.WHOLE:
                return self._whole(field)
            case Kind.LENGTH:
                return self._whole(replace(field, maximum=self.limits.max_seconds))
            case Kind.NUMBER:
                return self._decimal(field)
            case Kind.CHOICE:
                return self._one_of(field)
            case _:
                return self._text(field)

    def _text(self, field: Field) -> str:
        value = self.data.get(field.name, "")
        if not isinstance(value, str):
            self._fail(field.name, _("This must be text."))
            return ""
        value = value.strip()
        if len(value) > MAX_PROMPT:
            message = _("At most %(limit)s characters are allowed; this has %(length)s.")
            self._fail(field.name, message % {"limit": MAX_PROMPT, "length": len(value)})
        elif field.is_required and is_blank(value):
            self._fail(field.name, _("Describe what the clip should show, in a sentence."))
        elif _CONTROL.search(value) or has_surrogates(value):
            message = _("This text contains control characters. Type it again, or paste it as plain text.")
            self._fail(field.name, message)
        return value

    def _check_prompts(self, values: Mapping[str, Any], model: BaseModel) -> None:
        """Report syntax that cannot be rendered; its times need the clip's length and rate."""
        if {"seconds", "fps"} & self.errors.keys():
            return
        for name in TEMPLATES.keys() - self.errors.keys():
            for text in faults(values[name], model, values["seconds"], values["fps"]):
                self._fail(name, text)

    def _given(self, field: Field) -> Any:
        return self.data.get(field.name, self.defaults.get(field.name, field.default))

    def _whole(self, field: Field) -> int | None:
        value = self._given(field)
        if value is None:
            return None
        number = whole_number(value)
        if number is None:
            self._fail(field.name, _("This must be a whole number."))
        elif number == field.unset:
            return None
        elif field.kind is Kind.LENGTH and self.limits.is_own_seconds and number > self.limits.max_seconds:
            self._fail(field.name, OWN_SECONDS % self.limits.max_seconds)
        else:
            self._check_range(field, number)
        return number

    def _decimal(self, field: Field) -> float | None:
        value = self._given(field)
        if value is None:
            return None
        number = decimal_number(value)
        if not math.isfinite(number):
            self._fail(field.name, _("This must be a number."))
        else:
            self._check_range(field, number)
        return number

    def _check_range(self, field: Field, number: float) -> None:
        minimum = -math.inf if field.minimum is None else field.minimum
        maximum = math.inf if field.maximum is None else field.maximum
        if not minimum <= number <= maximum:
            message = _("This must be between %(minimum)s and %(maximum)s.")
            self._fail(field.name, message % {"minimum": f"{minimum:.0f}", "maximum": f"{maximum:.0f}"})

    def _one_of(self, field: Field) -> Any:
        value = self._given(field)
        if all(isinstance(choice, int) for choice in field.choices):
            value = whole_number(value)
        if value not in list(field.choices):
            self._fail(field.name, _("This must be one of: %s.") % ", ".join(map(str, field.choices)))
        return value

    def _size(self, model: BaseModel | None) -> Size:
        if model is not None and not {"size", "width", "height"} & self.data.keys():
            return usual_size(model, self.limits.max_side)
        if "size" not in self.data:
            return self._side("width"), self._side("height")
        if "width" in self.data or "height" in self.data:
            self._fail("size", _("Give either a size or a width and a height, not both."))
        match = re.fullmatch(r"\s*(\d{1,5})\s*[x×]\s*(\d{1,5})\s*", str(self.data["size"]))
        if not match:
            self._fail("size", _("A size looks like this: 256x256."))
            return 256, 256
        self.data |= {"width": match[1], "height": match[2]}
        return self._side("width", report="size"), self._side("height", report="size")

    def _side(self, field: str, report: str = "") -> int:
        number = whole_number(self.data.get(field, min(256, self.limits.max_side // 2 * 2)))
        if number is not None and number > self.limits.max_side and self.limits.is_own_side:
            self._fail(report or field, OWN_SIDE % self.limits.max_side)
            return 256
        if number is None or not MIN_SIDE <= number <= self.limits.max_side or number % 2:
            message = _("A side must be an even number of pixels between %(minimum)s and %(maximum)s.")
            self._fail(report or field, message % {"minimum": MIN_SIDE, "maximum": self.limits.max_side})
            return 256
        return number

    def _model(self) -> BaseModel | None:
        if "model" not in self.data:
            return self.catalogue.default_model
        model = self.catalogue.models.get(str(self.data["model"]))
        if model is None:
            known = ", ".join(self.catalogue.models)
            self._fail("model", _("There is no model with this name. The models are: %s.") % known)
        return model

    def _adapter(self, model: BaseModel | None) -> MotionAdapter | None:
        if model is None:
            return None
        if model.adapter is None:
            if "motion_adapter" in self.data:
                self._fail("motion_adapter", _("This model needs no motion adapter. Leave the field empty."))
            return None
        name = str(self.data.get("motion_adapter", model.adapter))
        adapter = self.catalogue.adapters.get(name)
        if adapter is None or not model.compatible(adapter):
            known = ", ".join(id for id, other in self.catalogue.adapters.items() if model.compatible(other))
            self._fail("motion_adapter", _("This motion adapter does not fit the model. Those that do: %s.") % known)
            return None
        return adapter

    def _refuse_guidance(self, model: BaseModel | None) -> None:
        """Refuse what would have no effect. Its own guidance is fine: it is in what earlier clips were made with."""
        if model is None or model.is_guided:
            return
        if str(self.data.get("negative_prompt", "")).strip():
            self._fail("negative_prompt", _("This model has no negative prompt. Leave the field empty."))
        if "guidance" in self.data and decimal_number(self.data["guidance"]) != model.guidance:
            self._fail("guidance", _("This model has no guidance. Leave the field empty."))

    def _motions(self, adapter: MotionAdapter | None) -> tuple[tuple[str, float], ...]:
        pairs = self._pairs(
            "motion_loras",
            example=_("Camera motions look like this: zoom-in:0.8, pan-left:0.5."),
            too_many=_("Give each camera motion once, and at most %s in all."),
        )
        for id, weight in pairs:
            lora = self.catalogue.loras.get(id)
            if lora is None or adapter is None or not lora.compatible(adapter):
                self._fail("motion_loras", _("The camera motion %s does not fit this motion adapter.") % id[:50])
            elif not (math.isfinite(weight) and 0 <= weight <= 1):
                self._fail("motion_loras", _("The strength of a camera motion must be between 0 and 1."))
        return pairs

    def _styles(self, model: BaseModel | None) -> tuple[tuple[str, float], ...]:
        pairs = self._pairs(
            "style_loras",
            example=_("Styles look like this: ink:0.8, oil-painting:-0.5."),
            too_many=_("Give each style once, and at most %s in all."),
        )
        for id, weight in pairs:
            style = self.catalogue.styles.get(id)
            if style is None or model is None or style not in self.catalogue.styles_for(model):
                self._fail("style_loras", _("The style %s does not fit this model.") % id[:50])
            elif not (math.isfinite(weight) and abs(weight) <= MAX_STYLE):
                self._fail("style_loras", _("The strength of a style must be between -2 and 2."))
        return pairs

    def _pairs(self, name: str, *, example: Any, too_many: Any) -> tuple[tuple[str, float], ...]:
        try:
            pairs = lora_pairs(self.data.get(name, ()))
        except (TypeError, ValueError):
            self._fail(name, example)
            return ()
        if len(pairs) > MAX_LORAS or len({id for id, _weight in pairs}) < len(pairs):
            self._fail(name, too_many % MAX_LORAS)
            return ()
        return pairs

    def _check_reach(self, values: Mapping[str, Any], model: BaseModel) -> None:
        try:
            plan(RenderRequest(**values), model)
        except TooLarge as error:
            message = _("%(model)s reaches at most %(largest)s pixels on the shorter side.")
            field = "size" if "size" in self.data else "width" if values["width"] <= values["height"] else "height"
            self._fail(field, message % {"model": model.label, "largest": error.largest})
        except TooLong as error:
            message = _("%(model)s makes at most %(longest)s seconds at this frame rate.")
            self._fail("seconds", message % {"model": model.label, "longest": error.longest})


def _longest(model: BaseModel | None) -> float:
    """Return the most seconds that a model makes at every rate."""
    return math.inf if model is None or model.frame_rule.most is None else longest(model, factor=2)

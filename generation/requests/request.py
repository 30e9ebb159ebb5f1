"""What was asked for: one frozen, validated description, whatever it came in by (form, batch file, another video)."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.catalogue.load import BaseModel, Catalogue, MotionAdapter
from generation.domain.plan import TooLarge, plan
from generation.requests.fields import (
    FIELDS,
    MAX_LORAS,
    MAX_PROMPT,
    MIN_SIDE,
    RENAMED,
    Field,
    Kind,
    Role,
    with_present_names,
)
from generation.requests.limits import Limits

# A line end and a tab are white space; every other control character and the bidirectional overrides are not text.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """A valid request. Sizes in pixels, even; `fps` in frames a second; `seed` None means a new one is drawn."""

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

    @property
    def engine_prompt(self) -> str:
        """What the text encoder reads: whatever is checked of a prompt (terms, length, words) is checked of this."""
        texts = (getattr(self, field.name) for field in FIELDS.values() if field.role is Role.PROMPT)
        return ", ".join(text for text in texts if text)

    def to_dict(self) -> dict[str, Any]:
        """A dict that JSON can hold and `from_dict` reads back."""
        return {**asdict(self), "motion_loras": [list(pair) for pair in self.motion_loras]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RenderRequest":
        """The request that `to_dict` wrote. Raises KeyError or TypeError for what it did not write."""
        data = with_present_names(data)
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        return cls(**{**known, "motion_loras": tuple((str(id), float(weight)) for id, weight in data["motion_loras"])})


class InvalidRequest(ValueError):
    """Why a request cannot be rendered: `errors` maps each field to its messages."""

    def __init__(self, errors: Mapping[str, list[Any]]) -> None:
        self.errors = {field: list(messages) for field, messages in errors.items()}
        super().__init__("; ".join(f"{field}: {' '.join(map(str, texts))}" for field, texts in self.errors.items()))


def parse(data: Mapping[str, Any], catalogue: Catalogue, limits: Limits) -> RenderRequest:
    """The request that `data` describes, with defaults for what it leaves out.

    Args:
        data: fields of `RenderRequest`, as text or numbers; None and '' mean 'not given'. `size` ('256x144') stands
            for `width` and `height`; the old names of fields (`RENAMED`) are read, too.
    Raises:
        InvalidRequest: with a message at every field that is wrong, unknown fields among them.
    """
    return _Parser(data, catalogue, limits).parse()


class _Parser:
    def __init__(self, data: Mapping[str, Any], catalogue: Catalogue, limits: Limits) -> None:
        given = {str(key): value for key, value in data.items() if value is not None and value != ""}
        self.data = with_present_names(given)
        self.catalogue = catalogue
        self.limits = limits
        self.errors: dict[str, list[Any]] = {}
        self.defaults: Mapping[str, Any] = {}
        self.written = {RENAMED[name]: name for name in given if name in RENAMED}  # so messages name what was written
        for name, old in self.written.items():
            if name in given:
                self._fail(old, _("This is the old name of %s. Give one of the two.") % name)

    def parse(self) -> RenderRequest:
        self._refuse_unknown_fields()
        model = self._model()
        adapter = self._adapter(model)
        width, height = self._size()
        self.defaults = {
            "seconds": min(FIELDS["seconds"].default, self.limits.max_seconds),
            "steps": model.usual_steps(adapter) if model else 25,
            "guidance": model.usual_guidance(adapter) if model else 7.5,
        }
        decided: dict[str, Any] = {
            "width": width,
            "height": height,
            "model": model.id if model else "",
            "motion_adapter": adapter.id if adapter else "",
            "motion_loras": self._loras(adapter),
        }
        values: dict[str, Any] = {
            name: decided[name] if name in decided else self._read(FIELDS[name]) for name in FIELDS
        }
        if not self.errors and model is not None:
            self._check_reach(values, model)
        if self.errors:
            raise InvalidRequest(self.errors)
        return RenderRequest(**values)

    def _fail(self, field: str, message: Any) -> None:
        """Once for each message: both sides of a size may be wrong for the same reason."""
        messages = self.errors.setdefault(self.written.get(field, field), [])
        if message not in messages:
            messages.append(message)

    def _refuse_unknown_fields(self) -> None:
        known = {*FIELDS, "size"}
        for name in sorted(set(self.data) - known):
            self._fail(name[:50], _("There is no such field. The fields are: %s.") % ", ".join(sorted(known)))

    def _read(self, field: Field) -> Any:
        """Return the value of a field that depends on no other one."""
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
        elif field.is_required and _is_blank(value):
            self._fail(field.name, _("Describe what the clip should show, in a sentence."))
        elif _CONTROL.search(value) or _has_surrogates(value):
            message = _("This text contains control characters. Type it again, or paste it as plain text.")
            self._fail(field.name, message)
        return value

    def _given(self, field: Field) -> Any:
        return self.data.get(field.name, self.defaults.get(field.name, field.default))

    def _whole(self, field: Field) -> int | None:
        value = self._given(field)
        if value is None:
            return None
        number = _whole_number(value)
        if number is None:
            self._fail(field.name, _("This must be a whole number."))
        else:
            self._check_range(field, number)
        return number

    def _decimal(self, field: Field) -> float | None:
        value = self._given(field)
        if value is None:
            return None
        number = _number(value)
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
            value = _whole_number(value)
        if value not in list(field.choices):
            self._fail(field.name, _("This must be one of: %s.") % ", ".join(map(str, field.choices)))
        return value

    def _size(self) -> tuple[int, int]:
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
        number = _whole_number(self.data.get(field, min(256, self.limits.max_side // 2 * 2)))
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
        name = str(self.data.get("motion_adapter", model.adapter))
        adapter = self.catalogue.adapters.get(name)
        if adapter is None or not model.compatible(adapter):
            known = ", ".join(id for id, other in self.catalogue.adapters.items() if model.compatible(other))
            self._fail("motion_adapter", _("This motion adapter does not fit the model. Those that do: %s.") % known)
            return None
        return adapter

    def _loras(self, adapter: MotionAdapter | None) -> tuple[tuple[str, float], ...]:
        try:
            pairs = _lora_pairs(self.data.get("motion_loras", ()))
        except (TypeError, ValueError):
            self._fail("motion_loras", _("Camera motions look like this: zoom-in:0.8, pan-left:0.5."))
            return ()
        if len(pairs) > MAX_LORAS or len({id for id, _weight in pairs}) < len(pairs):
            self._fail("motion_loras", _("Give each camera motion once, and at most %s in all.") % MAX_LORAS)
            return ()
        for id, weight in pairs:
            lora = self.catalogue.loras.get(id)
            if lora is None or adapter is None or not lora.compatible(adapter):
                self._fail("motion_loras", _("The camera motion %s does not fit this motion adapter.") % id[:50])
            elif not (math.isfinite(weight) and 0 <= weight <= 1):
                self._fail("motion_loras", _("The strength of a camera motion must be between 0 and 1."))
        return pairs

    def _check_reach(self, values: Mapping[str, Any], model: BaseModel) -> None:
        try:
            plan(RenderRequest(**values), model)
        except TooLarge as error:
            message = _("%(model)s reaches at most %(largest)s pixels on the shorter side.")
            field = "size" if "size" in self.data else "width" if values["width"] <= values["height"] else "height"
            self._fail(field, message % {"model": model.label, "largest": error.largest})
        except ValueError:
            self._fail("fps", _("This must be a multiple of %s.") % model.native_fps)


def _whole_number(value: Any) -> int | None:
    """`value` as an int when it is one without loss ('24', '24.0' as spreadsheets write it, 24, 24.0), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = re.fullmatch(r"(-?[0-9]{1,30})(\.0{1,6})?", value.strip())
        return int(match[1]) if match else None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if isinstance(value, int | float) else None


def _number(value: Any) -> float:
    """`value` as a float when it is a number (7.5, '7.5', '1e1') that a float can hold, else NaN."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.nan
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        return math.nan
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def _is_blank(value: str) -> bool:
    """Whether nothing of `value` can be seen: white space, joiners, marks of direction."""
    return all(unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cc", "Cf") for character in value)


def _has_surrogates(value: str) -> bool:
    """Whether `value` holds half a character, which no database or file can store."""
    return any("\ud800" <= character <= "\udfff" for character in value)


def _lora_pairs(value: Any) -> tuple[tuple[str, float], ...]:
    """'zoom-in:0.8, pan-left', [['zoom-in', 0.8], ...] or {'zoom-in': 0.8} as pairs of id and weight, 1 if not given.

    A weight that is no number becomes NaN. Raises TypeError or ValueError for anything else.
    """
    if isinstance(value, str):
        value = [part.partition(":")[::2] for part in value.split(",") if part.strip()]
    elif isinstance(value, Mapping):
        value = value.items()
    return tuple((str(id).strip(), _number(weight) if weight != "" else 1.0) for id, weight in value)

"""What was asked for: one frozen, validated description, whatever it came in by (form, batch file, another video)."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.catalogue.load import BaseModel, Catalogue, MotionAdapter
from generation.domain.plan import TooLarge, plan

FPS = (8, 16, 24, 32)
FORMATS = ("mp4", "webm", "gif")
MIN_SIDE = 128
MAX_PROMPT = 1000  # characters; far above what any text encoder of the catalogue reads
MAX_STEPS = 100
MAX_GUIDANCE = 30.0
MAX_SEED = 2**32 - 1
MAX_LORAS = 8
# A line end and a tab are white space; every other control character and the bidirectional overrides are not text.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the operator allows: the longest side in pixels, the longest clip in seconds."""

    max_side: int = 2048
    max_seconds: int = 10


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
    preset: str = ""

    def to_dict(self) -> dict[str, Any]:
        """A dict that JSON can hold and `from_dict` reads back."""
        return {**asdict(self), "motion_loras": [list(pair) for pair in self.motion_loras]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "RenderRequest":
        """The request that `to_dict` wrote. Raises KeyError or TypeError for what it did not write."""
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
            for `width` and `height`.
    Raises:
        InvalidRequest: with a message at every field that is wrong, unknown fields among them.
    """
    return _Parser(data, catalogue, limits).parse()


class _Parser:
    def __init__(self, data: Mapping[str, Any], catalogue: Catalogue, limits: Limits) -> None:
        self.data = {str(key): value for key, value in data.items() if value is not None and value != ""}
        self.catalogue = catalogue
        self.limits = limits
        self.errors: dict[str, list[Any]] = {}

    def parse(self) -> RenderRequest:
        self._refuse_unknown_fields()
        model = self._model()
        adapter = self._adapter(model)
        width, height = self._size()
        values = {
            "prompt": self._text("prompt", required=True),
            "negative_prompt": self._text("negative_prompt"),
            "width": width,
            "height": height,
            "seconds": self._whole("seconds", min(2, self.limits.max_seconds), 1, self.limits.max_seconds),
            "fps": self._one_of("fps", 24, FPS),
            "format": self._one_of("format", "mp4", FORMATS),
            "model": model.id if model else "",
            "motion_adapter": adapter.id if adapter else "",
            "motion_loras": self._loras(adapter),
            "steps": self._whole("steps", model.usual_steps(adapter) if model else 25, 1, MAX_STEPS),
            "guidance": self._guidance(model.usual_guidance(adapter) if model else 7.5),
            "seed": self._whole("seed", None, 0, MAX_SEED),
            "preset": self._text("preset"),
        }
        if not self.errors and model is not None:
            self._check_reach(values, model)
        if self.errors:
            raise InvalidRequest(self.errors)
        return RenderRequest(**values)

    def _fail(self, field: str, message: Any) -> None:
        """Once for each message: both sides of a size may be wrong for the same reason."""
        messages = self.errors.setdefault(field, [])
        if message not in messages:
            messages.append(message)

    def _refuse_unknown_fields(self) -> None:
        known = {field.name for field in fields(RenderRequest)} | {"size"}
        for name in sorted(set(self.data) - known):
            self._fail(name[:50], _("There is no such field. The fields are: %s.") % ", ".join(sorted(known)))

    def _text(self, field: str, *, required: bool = False) -> str:
        value = self.data.get(field, "")
        if not isinstance(value, str):
            self._fail(field, _("This must be text."))
            return ""
        value = value.strip()
        if len(value) > MAX_PROMPT:
            message = _("At most %(limit)s characters are read; these are %(length)s.")
            self._fail(field, message % {"limit": MAX_PROMPT, "length": len(value)})
        elif required and _is_blank(value):
            self._fail(field, _("Describe what the clip should show, in a sentence."))
        elif _CONTROL.search(value) or _has_surrogates(value):
            self._fail(field, _("There are control characters in this text. Type it again, or paste it as plain text."))
        return value

    def _whole(self, field: str, default: int | None, minimum: int, maximum: int) -> int | None:
        value = self.data.get(field, default)
        if value is None:
            return None
        number = _whole_number(value)
        if number is None:
            self._fail(field, _("This must be a whole number."))
        elif not minimum <= number <= maximum:
            message = _("This must be between %(minimum)s and %(maximum)s.")
            self._fail(field, message % {"minimum": minimum, "maximum": maximum})
        return number

    def _one_of(self, field: str, default: Any, choices: tuple[Any, ...]) -> Any:
        value = self.data.get(field, default)
        if isinstance(choices[0], int):
            value = _whole_number(value)
        if value not in choices:
            self._fail(field, _("This must be one of: %s.") % ", ".join(map(str, choices)))
        return value

    def _guidance(self, default: float) -> float:
        value = _number(self.data.get("guidance", default))
        if not math.isfinite(value):
            self._fail("guidance", _("This must be a number."))
        elif not 0 <= value <= MAX_GUIDANCE:
            message = _("This must be between %(minimum)s and %(maximum)s.")
            self._fail("guidance", message % {"minimum": 0, "maximum": int(MAX_GUIDANCE)})
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
            self._fail("model", _("There is no model of this name. The models are: %s.") % known)
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
            self._fail("motion_loras", _("Give each camera motion once, and at most %s.") % MAX_LORAS)
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

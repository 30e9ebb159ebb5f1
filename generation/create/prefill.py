"""The first values of the create form: from what was made before, from a preset, from the other mode.

What comes in may be years old or from a stranger's file, so nothing of it is trusted; what cannot be used here is left
out and said.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from django.conf import settings
from django.utils.translation import gettext as _

from generation.batches.forms import BatchForm
from generation.create.forms import ADVANCED, SIMPLE_FIELDS, CreateForm
from generation.requests import available
from generation.requests.available import LORA_PREFIX
from generation.requests.qualities import QUALITIES, STANDARD, Quality, matching
from generation.requests.request import FORMATS, FPS, MAX_PROMPT
from generation.requests.sizes import ASPECTS, CUSTOM, aspect_of, scaled

FIELDS = tuple(CreateForm.base_fields)
_TEXTS = ("prompt", "negative_prompt")
_NUMBERS = ("steps", "guidance", "seed")


@dataclass
class Prefill:
    """`values` of the form's fields, and `notes` on what could not be taken over."""

    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def posted(data: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed into the form, whatever it is."""
    return {name: value for name, value in data.items() if name in FIELDS or name.startswith(LORA_PREFIX)}


def from_request(request: Mapping[str, Any]) -> Prefill:
    """The form's values for a stored request, or for what a file says was one."""
    found = Prefill()
    for name in _TEXTS:
        if isinstance(request.get(name), str):
            found.values[name] = _text(request[name])[:MAX_PROMPT]
    _take_models(request, found)
    usual = {"steps": available.usual_steps(found.values), "guidance": available.usual_guidance(found.values)}
    for name in _NUMBERS:
        if _is_number(request.get(name)) and request[name] != usual.get(name):
            found.values[name] = request[name]
    _take_size(request, found)
    if request.get("fps") in FPS and _is_number(request["fps"]):
        found.values["fps"] = int(request["fps"])
    if isinstance(request.get("format"), str) and request["format"] in FORMATS:
        found.values["format"] = request["format"]
    _take_seconds(request, found)
    found.values["quality"] = quality_of(found.values)
    return found


def quality_of(values: Mapping[str, Any]) -> str:
    """The quality that the size, the rate and the steps of a form's values are, or `CUSTOM`."""
    model, adapter = available.chosen_model(values), available.chosen_adapter(values)
    standard = available.chosen_quality(STANDARD, values)
    usual = {"short_side": standard.short_side, "fps": standard.fps, "steps": standard.steps}
    try:
        set_values = Quality(**{name: int(values.get(name) or usual[name]) for name in usual})
    except (TypeError, ValueError):
        return CUSTOM
    aspect = str(values.get("aspect") or "1:1")
    return matching(set_values, model, adapter, aspect=aspect, max_side=settings.MAX_SIDE)


def with_quality(values: Mapping[str, Any], quality: str) -> dict[str, Any]:
    """A form's values in another quality: the size, the rate and the steps of that."""
    found = available.chosen_quality(quality, values)
    steps = "" if found.steps == available.usual_steps(values) else found.steps
    changed = {**values, "quality": quality, "fps": found.fps, "steps": steps}
    width, height = (_whole(values.get(name)) for name in ("width", "height"))
    if values.get("aspect") == CUSTOM and width and height:
        width, height = scaled(width, height, found.short_side, settings.MAX_SIDE)
        return changed | {"width": width, "height": height}
    return changed | {"short_side": found.short_side}


def switched(values: Mapping[str, Any], to: str) -> dict[str, Any]:
    """A form's values for the other mode: the quality as size, rate and steps, or the other way round."""
    values = dict(values)
    if to != ADVANCED:
        values["quality"] = quality_of(values)
        return values
    quality = values.get("quality", STANDARD)
    return with_quality(values, quality) if quality in QUALITIES else values


def without_kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the simple mode itself shows of a form's values."""
    names = [name for name in SIMPLE_FIELDS if name in values and values[name] != CUSTOM]
    return {name: values[name] for name in names}


def many(values: Mapping[str, Any]) -> BatchForm:
    """The form for several prompts, with what was typed for one."""
    known = {"aspect": ASPECTS, "quality": QUALITIES}
    taken = {name: values[name] for name, choices_of in known.items() if values.get(name) in choices_of}
    return BatchForm(initial={**taken, "lines": values.get("prompt", ""), "seconds": values.get("seconds", 2)})


def fitted(values: Mapping[str, Any]) -> dict[str, Any]:
    """A form's values without the adapter and the camera motions that do not fit the model."""
    values = dict(values)
    values["motion_adapter"] = available.chosen_adapter(values).id
    fitting = {LORA_PREFIX + lora.id for lora in available.loras(available.chosen_adapter(values))}
    return {name: value for name, value in values.items() if not name.startswith(LORA_PREFIX) or name in fitting}


def _take_models(request: Mapping[str, Any], found: Prefill) -> None:
    wanted = _name(request.get("model"))
    if wanted and wanted not in {model.id for model in available.models()}:
        found.notes.append(_("The model %s is not on this machine, so the usual one is chosen.") % wanted)
        return
    values = found.values
    values["model"] = wanted or available.chosen_model({}).id
    wanted = _name(request.get("motion_adapter"))
    fitting = {adapter.id for adapter in available.adapters(available.chosen_model(values))}
    if wanted and wanted not in fitting:
        found.notes.append(_("The motion adapter %s is not on this machine, so the model's own is chosen.") % wanted)
    values["motion_adapter"] = wanted if wanted in fitting else available.chosen_model(values).adapter
    _take_camera_motions(request, found)


def _take_camera_motions(request: Mapping[str, Any], found: Prefill) -> None:
    fitting = {lora.id for lora in available.loras(available.chosen_adapter(found.values))}
    pairs = request.get("motion_loras")
    for pair in pairs[:20] if isinstance(pairs, list | tuple) else []:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not _is_number(pair[1]):
            continue
        if (id := _name(pair[0])) in fitting:
            found.values[LORA_PREFIX + id] = pair[1]
        else:
            found.notes.append(_("The camera motion %s is not on this machine and is left out.") % id)


def _take_size(request: Mapping[str, Any], found: Prefill) -> None:
    width, height = request.get("width"), request.get("height")
    if not (_is_whole(width) and _is_whole(height)):
        return
    found.values["aspect"] = aspect_of(width, height)
    if found.values["aspect"] == CUSTOM:
        found.values |= {"width": width, "height": height}
    else:
        found.values["short_side"] = min(width, height)


def _take_seconds(request: Mapping[str, Any], found: Prefill) -> None:
    if not _is_whole(request.get("seconds")):
        return
    found.values["seconds"] = min(request["seconds"], settings.MAX_SECONDS)
    if request["seconds"] > settings.MAX_SECONDS:
        message = _("It was longer than this site allows; the longest that may be made is %s s.")
        found.notes.append(message % settings.MAX_SECONDS)


def _name(value: Any) -> str:
    return _text(value[:50]) if isinstance(value, str) else ""


def _text(value: str) -> str:
    """Half a surrogate pair, which JSON can hold and a page cannot, as a question mark."""
    return value.encode(errors="replace").decode()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**40


def _whole(value: Any) -> int | None:
    """What was typed as a number of pixels, if it is one."""
    text = str(value)
    return int(text) or None if text.isascii() and text.isdigit() and len(text) <= 5 else None


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 100_000

"""Initial values for the create form: from an earlier request, a preset or the other mode.

Input may be years old or come from a stranger's file, so none of it is trusted; unusable values are dropped, and those
the user would miss are reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from django.utils.translation import gettext as _

from generation.batches.forms import BatchForm
from generation.catalogue.load import BaseModel, Entry
from generation.create.forms import ADVANCED, OF_A_REQUEST, SIMPLE_FIELDS, SIMPLE_VARIATIONS, CreateForm
from generation.domain.shapes import Size
from generation.quotas.allowance import UNLIMITED, Allowance
from generation.requests import available
from generation.requests.choices import LORA_PREFIX, in_quality
from generation.requests.drawing import as_written
from generation.requests.fields import FIELDS, MAX_PROMPT, MIN_SIDE, Field, Kind, with_present_names
from generation.requests.offer import Offer
from generation.requests.qualities import QUALITIES, STANDARD, Quality, matching
from generation.requests.sizes import ASPECTS, CUSTOM, aspect_of, scaled

SHOWN_MODEL, SHOWN_ASPECT = "shown_model", "shown_aspect"  # what the fields of a posted form were made for
FORM_FIELDS = {*OF_A_REQUEST, *CreateForm.base_fields, SHOWN_MODEL, SHOWN_ASPECT}


@dataclass
class Prefill:
    """Initial `values` for the form's fields, and `notes` on what could not be used."""

    values: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def posted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the posted form values, unvalidated."""
    return {name: value for name, value in data.items() if name in FORM_FIELDS or name.startswith(LORA_PREFIX)}


def from_request(request: Mapping[str, Any], offer: Offer | None = None) -> Prefill:
    """Return form values for a stored request, which may come from an untrusted file."""
    request, found, offer = as_written(with_present_names(request)), Prefill(), offer or available.offer()
    _take_models(request, found, offer)
    # What was usual for a model or an adapter that is not here does not suit the one in its place.
    usual = offer.usual(found.values)
    was_usual = offer.usual({name: _name(request.get(name)) for name in ("model", "motion_adapter")})
    for name in FIELDS:
        value = _plain(FIELDS[name], request.get(name))
        if value is not None and value not in (usual.get(name), was_usual.get(name)):
            found.values[name] = value
    _leave_out_guidance(found, offer)
    _take_size(request, found)
    _take_seconds(request, found, offer)
    found.values["quality"] = quality_of(found.values, offer)
    return found


def quality_of(values: Mapping[str, Any], offer: Offer) -> str:
    """Return the quality matching the form's size, frame rate and steps, or `CUSTOM`."""
    standard = offer.quality(STANDARD, values)
    usual = {"short_side": standard.short_side, "fps": standard.fps, "steps": standard.steps}
    try:
        set_values = Quality(**{name: int(values.get(name) or usual[name]) for name in usual})
    except (TypeError, ValueError):
        return CUSTOM
    model, adapter = offer.chosen_model(values), offer.chosen_adapter(values)
    return matching(set_values, model, adapter, aspect=offer.aspect(values), max_side=offer.limits.max_side)


def switched(values: Mapping[str, Any], to: str, offer: Offer | None = None) -> dict[str, Any]:
    """Return the values for mode `to`, converting between a quality and its size, frame rate and steps."""
    values, offer = dict(values), offer or available.offer()
    _move_defaults(values, offer)
    if to != ADVANCED:
        values["quality"] = quality_of(values, offer)
        return values
    quality = values.get("quality", STANDARD)
    return in_quality(values, quality, offer) if quality in QUALITIES else values


def without_kept(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return only the values that simple mode shows, and offers."""
    found = {name: values[name] for name in SIMPLE_FIELDS if name in values and values[name] != CUSTOM}
    if str(found.get("variations")) not in map(str, SIMPLE_VARIATIONS):
        found.pop("variations", None)
    return found


def many(values: Mapping[str, Any], allowance: Allowance = UNLIMITED) -> BatchForm:
    """Return the batch form, prefilled from the create form's values."""
    known = {"aspect": ASPECTS, "quality": QUALITIES}
    taken = {name: values[name] for name, choices_of in known.items() if values.get(name) in choices_of}
    lines, seconds = values.get("prompt", ""), values.get("seconds", 2)
    return BatchForm(initial={**taken, "lines": lines, "seconds": seconds}, allowance=allowance)


def fitted(values: Mapping[str, Any], offer: Offer | None = None) -> dict[str, Any]:
    """Return the values with an adapter and a length that fit the model, and without LoRAs that do not fit.

    A shape, a size and a frame rate that were only the defaults of the model before become those of this one, and so
    does the size where only the shape has changed.
    """
    offer, values = offer or available.offer(), dict(values)
    _move_defaults(values, offer)
    longest, seconds = offer.longest(values), str(values.get("seconds") or "")
    if longest is not None and seconds.isdecimal() and int(seconds[:9]) > longest:
        values["seconds"] = longest
    adapter = offer.chosen_adapter(values)
    values["motion_adapter"] = adapter.id if adapter else ""
    fitting = {LORA_PREFIX + lora.id for lora in (*offer.loras(adapter), *offer.styles(offer.chosen_model(values)))}
    return {name: value for name, value in values.items() if not name.startswith(LORA_PREFIX) or name in fitting}


def _move_defaults(values: dict[str, Any], offer: Offer) -> None:
    shown, models = values.pop(SHOWN_MODEL, None), offer.catalogue.models
    shown_aspect = values.pop(SHOWN_ASPECT, None) or values.get("aspect")
    if shown not in models:
        return
    is_other = shown != offer.chosen_model(values).id
    if not is_other and shown_aspect == values.get("aspect"):
        return
    usual = offer.quality(STANDARD, {**values, "model": shown, "aspect": shown_aspect})
    for name in ("short_side", "fps") if is_other else ("short_side",):
        if str(values.get(name)) == str(getattr(usual, name)):
            del values[name]
    if is_other and values.get("aspect") == models[shown].usual_aspect:
        del values["aspect"]
    _move_custom(values, offer, models[shown], str(shown_aspect))


def _move_custom(values: dict[str, Any], offer: Offer, shown: BaseModel, before: str) -> None:
    """Let a custom size begin with the width and height that the model was trained at for the shape before.

    One that only began so earlier begins again; what somebody typed stays.
    """
    if values.get("aspect") == before:
        return
    begun = (_within(size, offer) for size in shown.native_sizes.values())
    if (str(values.get("width")), str(values.get("height"))) in [tuple(map(str, size)) for size in begun if size]:
        del values["width"], values["height"]
    native = offer.chosen_model(values).native_sizes.get(before)
    if native and values.get("aspect") == CUSTOM and not (values.get("width") or values.get("height")):
        values["width"], values["height"] = _within(native, offer) or ("", "")


def _within(size: Size, offer: Offer) -> Size | None:
    """Return the largest size of these proportions within the longest side that is allowed; None if there is none."""
    fitting = scaled(*size, min(size), offer.limits.max_side)
    return fitting if min(fitting) >= MIN_SIDE else None


def _leave_out_guidance(found: Prefill, offer: Offer) -> None:
    if offer.chosen_model(found.values).is_guided:
        return
    if found.values.pop("negative_prompt", None):
        found.notes.append(_("This model has no negative prompt, so it was left out."))
    if found.values.pop("guidance", None) is not None:
        found.notes.append(_("This model has no guidance, so its value was left out."))


def _plain(field: Field, value: Any) -> Any:
    """Return a simple field's value; None if the form cannot use it. Other kinds need context and return None."""
    match field.kind:
        case Kind.TEXT:
            return _text(value)[:MAX_PROMPT] if isinstance(value, str) else None
        case Kind.WHOLE | Kind.NUMBER:
            return value if _is_number(value) else None
        case Kind.CHOICE:
            return next((choice for choice in field.choices if choice == value), None)
    return None


def _take_models(request: Mapping[str, Any], found: Prefill, offer: Offer) -> None:
    wanted = _name(request.get("model"))
    if wanted and wanted not in {model.id for model in offer.models()}:
        found.notes.append(_("The model %s is not on this machine, so the default is selected.") % wanted)
        return
    values = found.values
    values["model"] = wanted or offer.default_model().id
    model = offer.chosen_model(values)
    wanted = _name(request.get("motion_adapter"))
    fitting = {adapter.id for adapter in offer.adapters(model)}
    if wanted and wanted not in fitting:
        found.notes.append(
            _("The motion adapter %s is not on this machine, so the model's default is selected.") % wanted
        )
    values["motion_adapter"] = wanted if wanted in fitting else model.adapter or ""
    motions, styles = offer.loras(offer.chosen_adapter(values)), offer.styles(model)
    missing = _("The camera motion %s is not on this machine and was left out.")
    _take_loras(request.get("motion_loras"), motions, found, missing)
    _take_loras(request.get("style_loras"), styles, found, _("The style %s is not on this machine and was left out."))


def _take_loras(pairs: Any, here: Sequence[Entry], found: Prefill, missing: str) -> None:
    """Take over the strengths of the LoRAs that are here; `missing` is the note on any other."""
    fitting = {lora.id for lora in here}
    for pair in pairs[:20] if isinstance(pairs, list | tuple) else []:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not _is_number(pair[1]):
            continue
        if (id := _name(pair[0])) in fitting:
            found.values[LORA_PREFIX + id] = pair[1]
        else:
            found.notes.append(missing % id)


def _take_size(request: Mapping[str, Any], found: Prefill) -> None:
    width, height = request.get("width"), request.get("height")
    if not (_is_whole(width) and _is_whole(height)):
        return
    found.values["aspect"] = aspect_of(width, height)
    if found.values["aspect"] == CUSTOM:
        found.values |= {"width": width, "height": height}
    else:
        found.values["short_side"] = min(width, height)


def _take_seconds(request: Mapping[str, Any], found: Prefill, offer: Offer) -> None:
    if not _is_whole(request.get("seconds")):
        return
    longest, of_model = offer.limits.max_seconds, offer.longest(found.values)
    if of_model is not None and of_model < longest:
        found.values["seconds"] = min(request["seconds"], of_model)
        if request["seconds"] > of_model:
            found.notes.append(_("It was longer than this model makes; the maximum is %s s.") % of_model)
        return
    found.values["seconds"] = min(request["seconds"], longest)
    if request["seconds"] > longest:
        note = _("It was longer than this site allows; the maximum is %s s.")
        if offer.limits.is_own_seconds:
            note = _("It was longer than your account allows; the maximum is %s s.")
        found.notes.append(note % longest)


def _name(value: Any) -> str:
    return _text(value[:50]) if isinstance(value, str) else ""


def _text(value: str) -> str:
    """Replace lone surrogates, which JSON allows but UTF-8 does not, with question marks."""
    return value.encode(errors="replace").decode()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**40


def _is_whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 100_000

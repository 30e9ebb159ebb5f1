"""Conversion of page choices to requests: the one calculation behind form, summary, batch and draft.

Choices are the cleaned values of a page: the fields of a request, except that `aspect` and `short_side` may replace the
size, a `quality` may replace size, frame rate and steps, `lora-<id>` gives the strength of a camera motion
or a style, and `variations` is the number of clips.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.catalogue.load import Entry
from generation.requests.fields import FIELDS, MAX_SEED, WITH_GUIDANCE
from generation.requests.offer import Offer
from generation.requests.qualities import QUALITIES, STANDARD
from generation.requests.request import InvalidRequest, RenderRequest, parse
from generation.requests.sizes import CUSTOM, largest_short_side_of, scaled, size_of

LORA_PREFIX = "lora-"
PROMPT_TO_COME = "…"  # placeholder for a prompt not typed yet; nothing else depends on it


def to_requests(chosen: Mapping[str, Any], offer: Offer) -> list[RenderRequest]:
    """Return the chosen requests, one per variation.

    Raises:
        InvalidRequest: with messages keyed by choice, so that a page can show each at its input.
    """
    fields = fields_of(chosen, offer)
    try:
        request = parse(fields, offer.catalogue, offer.limits)
    except InvalidRequest as error:
        raise InvalidRequest(_by_choice(error.errors, chosen)) from error
    count = chosen.get("variations") or 1
    if request.seed is None:
        return [request] * count
    return [replace(request, seed=(request.seed + n) % (MAX_SEED + 1)) for n in range(count)]


def fields_of(chosen: Mapping[str, Any], offer: Offer) -> dict[str, Any]:
    """Return the fields of a request for `parse`; None selects the default. What the model lacks is left out.

    Raises:
        InvalidRequest: a custom shape lacks a width or height, or the longer side exceeds this site's limit.
    """
    model, adapter = offer.chosen_model(chosen), offer.chosen_adapter(chosen)
    unused = () if model.is_guided else WITH_GUIDANCE
    chosen = {**chosen, "model": model.id, "motion_adapter": chosen.get("motion_adapter") if adapter else ""}
    quality = chosen.get("quality")
    chosen = in_quality(chosen, quality, offer) if quality in QUALITIES else {**chosen, "quality": ""}
    width, height = _size(chosen, offer)
    return {
        **{name: chosen.get(name) for name in FIELDS if name not in unused},
        "width": width,
        "height": height,
        "motion_loras": _strengths(chosen, offer.loras(adapter)),
        "style_loras": _strengths(chosen, offer.styles(model)),
    }


def _strengths(chosen: Mapping[str, Any], loras: Sequence[Entry]) -> list[tuple[str, Any]]:
    """Return (ID, strength) of the LoRAs that have one."""
    pairs = [(lora.id, chosen.get(LORA_PREFIX + lora.id)) for lora in loras]
    return [pair for pair in pairs if pair[1]]


def in_quality(chosen: Mapping[str, Any], quality: str, offer: Offer) -> dict[str, Any]:
    """Return the choices (raw or cleaned) with the size, frame rate and steps of another quality.

    A custom shape keeps its proportions.
    """
    found = offer.quality(quality, chosen)
    steps = None if found.steps == offer.usual(chosen)["steps"] else found.steps
    changed = {**chosen, "quality": quality, "fps": found.fps, "steps": steps}
    width, height = (_pixels(chosen.get(name)) for name in ("width", "height"))
    if chosen.get("aspect") == CUSTOM and width and height:
        width, height = scaled(width, height, found.short_side, offer.limits.max_side)
        return changed | {"width": width, "height": height}
    return changed | {"short_side": found.short_side}


def _size(chosen: Mapping[str, Any], offer: Offer) -> tuple[int, int]:
    aspect, limit = chosen["aspect"], offer.limits.max_side
    if aspect == CUSTOM:
        if missing := [name for name in ("width", "height") if not chosen.get(name)]:
            message = _("A custom shape needs a width and a height.")
            raise InvalidRequest({name: [message] for name in missing})
        return chosen["width"], chosen["height"]
    width, height = size_of(chosen.get("short_side") or offer.quality(STANDARD, chosen).short_side, aspect)
    if max(width, height) > limit:
        message = _(
            "The longer side would be %(longer)s pixels, and this site allows %(limit)s. At most %(largest)s fit here."
        )
        if offer.limits.is_own_side:
            message = _(
                "The longer side would be %(longer)s pixels, and your account allows %(limit)s. "
                "At most %(largest)s fit here."
            )
        largest = largest_short_side_of(aspect, offer.chosen_model(chosen), limit)
        values = {"longer": max(width, height), "limit": limit, "largest": largest}
        raise InvalidRequest({"short_side": [message % values]})
    return width, height


def _by_choice(errors: Mapping[str, list[Any]], chosen: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the errors by choice: those about width or height move to the resolution unless the shape is custom."""
    found: dict[str, list[Any]] = {}
    for name, texts in errors.items():
        place = "short_side" if name in ("width", "height") and chosen["aspect"] != CUSTOM else name
        known = found.setdefault(place, [])
        known += [text for text in texts if text not in known]
    return found


def _pixels(value: Any) -> int | None:
    """Return a typed value as a positive number of pixels, or None if it is not one."""
    text = str(value)
    return int(text) or None if text.isascii() and text.isdigit() and len(text) <= 5 else None

"""What makes clips belong into one stack: the same request, apart from the seed and the quality."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from generation.requests import available
from generation.requests.fields import FIELDS, with_present_names
from generation.requests.qualities import QUALITIES, Quality, matching
from generation.requests.sizes import CUSTOM, aspect_of

_APART = ("seed", "prompt")  # the prompt is in the key as the key of its own
_BY_QUALITY = ("quality", *(name for name, field in FIELDS.items() if field.by_quality))


def prompt_key(prompt: str) -> str:
    """Return a key equal for prompts that differ only in case and white space; 32 characters, short enough to index."""
    return hashlib.sha256(" ".join(prompt.casefold().split()).encode()).hexdigest()[:32]


def stack_key(request: Mapping[str, Any]) -> str:
    """Return a key equal for requests that differ only in the seed, or that are a draft and its full version.

    So size, frame rate and steps count only where they are none of the qualities. Clips keep the key with which they
    were made, whatever happens to the catalogue. Migration 0012 uses this, too.
    """
    asked = with_present_names(request)
    told = {name: asked.get(name) for name in FIELDS if name not in _APART}
    if _quality(asked) in QUALITIES:
        told = {name: value for name, value in told.items() if name not in _BY_QUALITY}
        told["shape"] = _shape(asked["width"], asked["height"])
    content = {name: value for name, value in told.items() if value not in (None, "", [], ())}
    text = json.dumps([prompt_key(asked["prompt"]), content], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _quality(asked: Mapping[str, Any]) -> str:
    """Return the quality of a request, also of one that spells it out: the advanced page knows no qualities."""
    if asked.get("quality") in QUALITIES:
        return str(asked["quality"])
    catalogue, limits = available.catalogue(), available.limits()
    model = catalogue.models.get(asked["model"])
    width, height = asked.get("width"), asked.get("height")
    if model is None or not (width and height):
        return CUSTOM
    adapter = catalogue.adapters.get(asked.get("motion_adapter", ""))
    values = Quality(min(width, height), asked.get("fps", 0), asked.get("steps", 0))
    return matching(values, model, adapter, aspect=aspect_of(width, height), max_side=limits.max_side)


def _shape(width: int, height: int) -> str:
    """Return the shape of a clip, equal in all qualities; other shapes are scaled to even sides, so not exactly."""
    aspect = aspect_of(width, height)
    return f"{width / height:.1f}" if aspect == CUSTOM else aspect

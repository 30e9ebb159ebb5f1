"""The labels of shapes and qualities, and the list of models to choose from."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.catalogue.load import BaseModel
from generation.requests.qualities import BEST, DRAFT, STANDARD
from generation.requests.sizes import CUSTOM

ASPECT_LABELS = {
    "16:9": _("Wide, 16:9"),
    "3:2": _("Photo, 3:2"),
    "1:1": _("Square, 1:1"),
    "2:3": _("Portrait, 2:3"),
    "9:16": _("Phone, 9:16"),
    CUSTOM: _("Custom"),
}
QUALITY_LABELS = {
    DRAFT: _("Draft"),
    STANDARD: _("Standard"),
    BEST: _("Best"),
    CUSTOM: _("As set under Advanced"),
}

# By the beginning of a family's name in the catalogue. They are names, the same in every language.
FAMILY_LABELS = {
    "tiny": "AuraVideo",
    "sd15": "Stable Diffusion 1.5",
    "sdxl": "Stable Diffusion XL",
    "wan": "Wan",
    "ltx": "LTX-Video",
    "cogvideox": "CogVideoX",
    "hunyuan": "HunyuanVideo",
}
MOST_IN_A_ROW = 8  # models in a plain list; it takes longer to look through more of them


def family_label(family: str) -> str:
    """Return the name of a family; families that the site does not know are called as in the catalogue."""
    return next((label for name, label in FAMILY_LABELS.items() if family.startswith(name)), family)


def model_choices(models: Sequence[BaseModel]) -> list[tuple[str, Any]]:
    """Return the choices of a model: (ID, label), or where there are many, (family, [(ID, label), ...])."""
    groups: dict[str, list[tuple[str, Any]]] = {}
    for model in models:
        groups.setdefault(family_label(model.family), []).append((model.id, model.label))
    if len(models) <= MOST_IN_A_ROW or len(groups) == 1:
        return [(model.id, model.label) for model in models]
    return list(groups.items())

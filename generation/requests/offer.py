"""The offer of a site, and the defaults for what was chosen. Pure: the caller passes the catalogue and limits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from generation.catalogue.load import BaseModel, Catalogue, Entry, MotionAdapter, MotionLora, StyleLora
from generation.requests.limits import Limits
from generation.requests.qualities import Quality, quality_of
from generation.requests.sizes import ASPECTS


@dataclass(frozen=True, slots=True)
class Offer:
    """The site's `catalogue`, the operator's `limits`, and `is_here`, which returns whether an entry is available now.

    `values` are page values, raw or cleaned; unknown names in them are ignored.
    """

    catalogue: Catalogue
    limits: Limits
    is_here: Callable[[Entry], bool]

    def models(self) -> list[BaseModel]:
        """Return the base models available now."""
        return [model for model in self.catalogue.models.values() if self.is_here(model)]

    def adapters(self, model: BaseModel) -> list[MotionAdapter]:
        """Return the motion adapters that fit `model` and are available now."""
        return [found for found in self.catalogue.adapters_for(model) if self.is_here(found)]

    def loras(self, adapter: MotionAdapter | None) -> list[MotionLora]:
        """Return the camera motions that fit `adapter` and are available now; none without an adapter."""
        if adapter is None:
            return []
        return [found for found in self.catalogue.loras_for(adapter) if self.is_here(found)]

    def styles(self, model: BaseModel) -> list[StyleLora]:
        """Return the style LoRAs that fit `model` and are available now."""
        return [found for found in self.catalogue.styles_for(model) if self.is_here(found)]

    def default_model(self) -> BaseModel:
        """Return the form's default model: the catalogue's, or the first available one if that is missing."""
        usual, here = self.catalogue.default_model, self.models()
        return usual if usual in here or not here else here[0]

    def chosen_model(self, values: Mapping[str, Any]) -> BaseModel:
        """Return the model named in `values`, or the default one."""
        return self.catalogue.models.get(str(values.get("model") or "")) or self.default_model()

    def chosen_adapter(self, values: Mapping[str, Any]) -> MotionAdapter | None:
        """Return the motion adapter named in `values` if it fits the model, or else the model's own, if it has one."""
        adapters, model = self.catalogue.adapters, self.chosen_model(values)
        if model.adapter is None:
            return None
        adapter = adapters.get(str(values.get("motion_adapter") or ""))
        return adapter if adapter is not None and model.compatible(adapter) else adapters[model.adapter]

    def quality(self, id: str, values: Mapping[str, Any]) -> Quality:
        """Return the values of quality `id` for the chosen model, adapter and shape."""
        aspect = str(values.get("aspect") or "")
        aspect = aspect if aspect in ASPECTS else "1:1"
        model, adapter = self.chosen_model(values), self.chosen_adapter(values)
        return quality_of(id, model, adapter, aspect=aspect, max_side=self.limits.max_side)

    def usual(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the default steps and guidance of the chosen model; a distilled adapter overrides them."""
        model, adapter = self.chosen_model(values), self.chosen_adapter(values)
        return {"steps": model.usual_steps(adapter), "guidance": model.usual_guidance(adapter)}

"""The offer of a site, and the defaults for what was chosen. Pure: the caller passes the catalogue and limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from generation.catalogue.load import BaseModel, Catalogue, Embedding, Entry, MotionAdapter, MotionLora, StyleLora
from generation.domain.plan import longest
from generation.requests.fields import FPS
from generation.requests.limits import Limits
from generation.requests.qualities import QUALITIES, STANDARD, Quality, quality_of
from generation.requests.rates import offered_rates, standard_rate


@dataclass(frozen=True, slots=True)
class TriggerWord:
    """The `word` of a textual inversion; `only` has the labels of the models that read it, unless all do."""

    word: str
    label: str
    purpose: str
    only: Sequence[str]


@dataclass(frozen=True, slots=True)
class Offer:
    """The site's `catalogue`, the operator's `limits`, and `is_here`, which returns whether an entry is available now.

    `values` are page values, raw or cleaned; unknown names in them are ignored.
    """

    catalogue: Catalogue
    limits: Limits
    is_here: Callable[[Entry], bool]

    def models(self) -> list[BaseModel]:
        """Return the base models available now, with the LoRA that a few-step variant loads."""
        return [model for model in self.catalogue.models.values() if self._is_whole(model)]

    def _is_whole(self, model: BaseModel) -> bool:
        return self.is_here(model) and (model.lora is None or self.is_here(self.catalogue.styles[model.lora[0]]))

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

    def embeddings(self, model: BaseModel) -> list[Embedding]:
        """Return the textual inversions that fit `model` and are available now."""
        return [found for found in self.catalogue.embeddings_for(model) if self.is_here(found)]

    def trigger_words(self) -> list[TriggerWord]:
        """Return the words of all textual inversions that a model reads, both available now."""
        models, found = self.models(), []
        for embedding in self.catalogue.embeddings.values():
            readers = [model for model in models if embedding in self.catalogue.embeddings_for(model)]
            if readers and self.is_here(embedding):
                only = [] if len(readers) == len(models) else [model.label for model in readers]
                found.append(TriggerWord(embedding.word, embedding.label, embedding.purpose, only))
        return found

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
        model, adapter = self.chosen_model(values), self.chosen_adapter(values)
        return quality_of(id, model, adapter, aspect=self.aspect(values), max_side=self.limits.max_side)

    def aspect(self, values: Mapping[str, Any]) -> str:
        """Return the chosen shape; the chosen model's usual one where none was chosen yet."""
        return str(values.get("aspect") or self.chosen_model(values).usual_aspect)

    def usual(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the default steps and guidance of the chosen model; a distilled adapter overrides them."""
        model, adapter = self.chosen_model(values), self.chosen_adapter(values)
        return {"steps": model.usual_steps(adapter), "guidance": model.usual_guidance(adapter)}

    def rates(self, values: Mapping[str, Any]) -> list[int]:
        """Return the frame rates that suit the chosen model, and the chosen rate, in frames per second."""
        return sorted({*offered_rates(self.chosen_model(values).native_fps), self.rate(values)})

    def rate(self, values: Mapping[str, Any]) -> int:
        """Return the chosen frame rate: that of a quality, a valid one that was given, or the standard one."""
        if (quality := values.get("quality")) in QUALITIES:
            return self.quality(quality, values).fps
        given = str(values.get("fps") or "")
        return int(given) if given in map(str, FPS) else self.quality(STANDARD, values).fps

    def longest(self, values: Mapping[str, Any]) -> int | None:
        """Return the most whole seconds that the chosen model makes at the chosen rate; None if it has no limit."""
        return _longest(self.chosen_model(values), self.rate(values))

    def longest_of_any(self) -> int | None:
        """Return the most whole seconds that one of the models makes; None if one has no limit, or none is here."""
        found = [_longest(model, standard_rate(model.native_fps)) for model in self.models()]
        known = [seconds for seconds in found if seconds is not None]
        return max(known) if known and len(known) == len(found) else None


def _longest(model: BaseModel, fps: int) -> int | None:
    return None if model.frame_rule.most is None else longest(model, -(-fps // model.native_fps))

"""What this site offers: its catalogue, the operator's limits, and which models are on this machine.

The one module of this room that reads the settings.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from generation.catalogue.load import BaseModel, Catalogue, MotionAdapter, MotionLora, load_catalogue
from generation.domain.plan import Plan, plan
from generation.requests.limits import Limits
from generation.requests.qualities import Quality, quality_of
from generation.requests.request import InvalidRequest, RenderRequest
from generation.requests.sizes import ASPECTS

LORA_PREFIX = "lora-"  # of the form's fields: lora-zoom-in holds the strength of zoom-in


def catalogue() -> Catalogue:
    """Return the models that this site knows: those that ship, and the operator's own."""
    return load_catalogue(settings.CATALOGUE_FILE or None)


def limits() -> Limits:
    """Return what the operator allows."""
    return Limits(max_side=settings.MAX_SIDE, max_seconds=settings.MAX_SECONDS)


def plan_for(request: RenderRequest) -> Plan:
    """Return how a request is met by this site's catalogue.

    Raises:
        InvalidRequest: its model has left the catalogue, or can no longer make what was asked for.
    """
    model = catalogue().models.get(request.model)
    if model is None:
        raise InvalidRequest({"model": [_("The model is no longer in the catalogue.")]})
    try:
        return plan(request, model)
    except ValueError as error:  # the catalogue has changed since the request was checked
        raise InvalidRequest({"model": [str(error)]}) from error


def models() -> list[BaseModel]:
    """The base models that can be used now."""
    return [model for model in catalogue().models.values() if model.is_available(settings.HOME)]


def adapters(model: BaseModel) -> list[MotionAdapter]:
    """The motion adapters that fit `model` and can be used now."""
    return [found for found in catalogue().adapters_for(model) if found.is_available(settings.HOME)]


def loras(adapter: MotionAdapter) -> list[MotionLora]:
    """The camera motions that fit `adapter` and can be used now."""
    return [found for found in catalogue().loras_for(adapter) if found.is_available(settings.HOME)]


def default_model() -> BaseModel:
    """The model that the form starts with: the catalogue's, or the first that is here where that one is not."""
    usual, here = catalogue().default_model, models()
    return usual if usual in here or not here else here[0]


def chosen_model(values: Mapping[str, Any]) -> BaseModel:
    """The model that a form's values name, or the default one."""
    return catalogue().models.get(str(values.get("model") or "")) or default_model()


def chosen_adapter(values: Mapping[str, Any]) -> MotionAdapter:
    """The motion adapter that a form's values name, or the model's own where that one does not fit."""
    adapters, model = catalogue().adapters, chosen_model(values)
    adapter = adapters.get(str(values.get("motion_adapter") or ""))
    return adapter if adapter is not None and model.compatible(adapter) else adapters[model.adapter]


def chosen_quality(id: str, values: Mapping[str, Any]) -> Quality:
    """What quality `id` means for the model, the adapter and the aspect ratio of a form's values."""
    aspect = str(values.get("aspect") or "")
    aspect = aspect if aspect in ASPECTS else "1:1"
    model, adapter = chosen_model(values), chosen_adapter(values)
    return quality_of(id, model, adapter, aspect=aspect, max_side=settings.MAX_SIDE)


def usual_steps(values: Mapping[str, Any]) -> int:
    """The denoising steps that suit the chosen model, or its adapter where that was distilled for a number."""
    return chosen_model(values).usual_steps(chosen_adapter(values))


def usual_guidance(values: Mapping[str, Any]) -> float:
    """The guidance scale that suits the chosen model; a distilled adapter brings its own."""
    return chosen_model(values).usual_guidance(chosen_adapter(values))

"""From catalogue entries to warm engines."""

from collections.abc import Mapping
from typing import TypeVar

from django.conf import settings

from auravideo.core.computing.libraries import film_library
from generation.catalogue.load import BaseModel, Entry, MotionAdapter, MotionLora, StyleLora
from generation.catalogue.lockfile import verify
from generation.domain.errors import RenderError
from generation.domain.states import Stage
from generation.requests import available
from generation.requests.request import RenderRequest
from workers import cards
from workers.engines import registry
from workers.engines.animatediff import AnimateDiffEngine, Motion
from workers.engines.base import Engine, Interpolation, Lora, TextToVideo, Upscaling
from workers.engines.film_torch.choice import open_film
from workers.engines.realesrgan import RealEsrganEngine

E = TypeVar("E", bound=Entry)


def text_to_video(request: RenderRequest) -> TextToVideo:
    """Return the engine for the request's base model and motion adapter. LoRAs are passed per call.

    A warm engine of the same base with another adapter is given the wanted one: one base in memory serves them all.
    """
    model, adapter = _model(request), _adapter(request)
    base = ("text-to-video", model.id)

    def make() -> AnimateDiffEngine:
        return AnimateDiffEngine.from_entries(
            _verified(model), _verified(adapter), settings.HOME, inexact=settings.INEXACT_MEMORY
        )

    def swap(engine: AnimateDiffEngine) -> None:
        engine.use(Motion.of_entries(model, _verified(adapter), settings.HOME))

    has_base = registry.Change(lambda key: isinstance(key, tuple) and key[:2] == base, swap)
    return registry.get((*base, adapter.id), make, has_base)


def loras(request: RenderRequest) -> list[Lora]:
    """Return every LoRA: the one a few-step adapter requires, the camera motions and the styles."""
    catalogue = available.catalogue()
    needed = _adapter(request).lora
    motions = [*([needed] if needed else []), *request.motion_loras]
    found: list[tuple[MotionLora | StyleLora, float]] = [
        *((_found(catalogue.loras, id), weight) for id, weight in motions),
        *((_found(catalogue.styles, id), weight) for id, weight in request.style_loras),
    ]
    return [
        Lora(_verified(entry).weights_path(settings.HOME), weight, entry.label, entry.command)
        for entry, weight in found
    ]


def interpolation(request: RenderRequest) -> Interpolation:
    """Return the frame interpolation engine of the request's model."""
    entry = available.catalogue().interpolators[_model(request).interpolator]

    def make() -> Interpolation:
        library = film_library(settings.FILM, cards.capability())
        return open_film(_verified(entry).path(settings.HOME), library, entry.label)

    return registry.get(("interpolation", entry.id), make)


def upscaling(request: RenderRequest) -> Upscaling:
    """Return the upscaling engine of the request's model."""
    entry = available.catalogue().upscalers[_model(request).upscaler]

    def make() -> Upscaling:
        return RealEsrganEngine(_verified(entry).paths(settings.HOME), label=entry.label, command=entry.command)

    return registry.get(("upscaling", entry.id), make)


def of_stage(stage: Stage, request: RenderRequest) -> Engine:
    """Return the engine of a stage that has one."""
    makers = {Stage.GENERATE: text_to_video, Stage.INTERPOLATE: interpolation, Stage.UPSCALE: upscaling}
    return makers[stage](request)


def count_tokens(request: RenderRequest) -> int:
    """Return the prompt's token count; loads only the tokenizer."""
    engine = AnimateDiffEngine.from_entries(_model(request), _adapter(request), settings.HOME)
    return engine.count_tokens(request.engine_prompt)


def verify_all(request: RenderRequest) -> None:
    """Check that every file the request needs is present and intact, before any work starts.

    Raises:
        RenderError: "model-missing" or "model-corrupt", naming the command that repairs it.
    """
    catalogue, model = available.catalogue(), _model(request)
    loras = (id for id, _weight in (*request.motion_loras, *request.style_loras))
    adapters = (request.motion_adapter,) if request.motion_adapter else ()
    others = (id for id in model.needs if id != model.adapter)
    for entry in (model, *(entry for id in (*others, *adapters, *loras) for entry in catalogue.with_needs(id))):
        _verified(entry)


def _model(request: RenderRequest) -> BaseModel:
    return _found(available.catalogue().models, request.model)


def _adapter(request: RenderRequest) -> MotionAdapter:
    return _found(available.catalogue().adapters, request.motion_adapter)


def _found(entries: Mapping[str, E], id: str) -> E:
    """Return the entry `id`. Raise RenderError "model-missing" if it is no longer in the catalogue."""
    if id not in entries:
        raise RenderError("model-missing", model=id)
    return entries[id]


def _verified(entry: E) -> E:
    for part in entry.parts:
        _verified(part)
    verify(entry, settings.HOME)
    return entry

"""From catalogue entries to warm engines."""

from collections.abc import Callable, Hashable, Mapping
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
from workers.engines.animatediff.engine import AnimateDiffEngine, Motion
from workers.engines.base import Engine, Interpolation, Lora, TextToVideo, Upscaling
from workers.engines.families.engine import FamilyEngine
from workers.engines.files.embeddings import Embedding
from workers.engines.film_torch.choice import open_film
from workers.engines.realesrgan import RealEsrganEngine

E = TypeVar("E", bound=Entry)
G = TypeVar("G", bound=Engine)


def text_to_video(request: RenderRequest) -> TextToVideo:
    """Return the engine for the request's model, and motion adapter if it has one. LoRAs are passed per call.

    A warm engine of the same files is changed into the wanted one (another adapter, or a variant with fewer steps): one
    base in memory serves them all.
    """
    model = _model(request)
    if not model.is_animatediff:
        return _family(model)
    engine = _animatediff(model, _adapter(request))
    engine.know(embeddings(request))
    return engine


def _family(model: BaseModel) -> FamilyEngine:
    key = ("text-to-video", model.id)

    def make() -> FamilyEngine:
        return FamilyEngine.from_entry(_verified(model), settings.HOME, inexact=settings.INEXACT_MEMORY)

    def suits(entries: tuple[Entry, ...]) -> bool:
        return any(_has_same_files(entry, model) for entry in entries)

    def change(engine: FamilyEngine) -> None:
        engine.use(_verified(model))

    return _warm(key, (model,), make, suits, change)


def _has_same_files(entry: Entry, model: BaseModel) -> bool:
    """Return whether the weights of an entry in memory are those of `model`, so that the rest can be changed."""
    return (
        isinstance(entry, BaseModel)
        and (entry.files_id, entry.pipeline) == (model.files_id, model.pipeline)
        and entry.base_path(settings.HOME) == model.base_path(settings.HOME)
        and entry.weights_path(settings.HOME) == model.weights_path(settings.HOME)
    )


def _animatediff(model: BaseModel, adapter: MotionAdapter) -> AnimateDiffEngine:
    key = ("text-to-video", model.id, adapter.id)

    def make() -> AnimateDiffEngine:
        return AnimateDiffEngine.from_entries(
            _verified(model), _verified(adapter), settings.HOME, inexact=settings.INEXACT_MEMORY
        )

    def suits(entries: tuple[Entry, ...]) -> bool:
        return entries[:1] == (model,)

    def swap(engine: AnimateDiffEngine) -> None:
        engine.use(Motion.of_entries(model, _verified(adapter), settings.HOME))

    return _warm(key, (model, adapter), make, suits, swap)


def _bytes_on_disk(entry: Entry) -> int:
    """Return the size of an entry's files, those that it relies on included: about what loading them takes."""
    folder = entry.path(settings.HOME)
    files = {path for name in entry.local_files() for path in folder.glob(name)}
    return sum(path.stat().st_size for path in files) + sum(map(_bytes_on_disk, entry.relies_on))


# By key, the catalogue entries as they were when this process last asked for that engine.
_asked_for: dict[Hashable, tuple[Entry, ...]] = {}


def _warm(
    key: tuple[str, ...],
    entries: tuple[Entry, ...],
    make: Callable[[], G],
    suits: Callable[[tuple[Entry, ...]], bool] = lambda _entries: False,
    change: Callable[[G], None] = lambda _engine: None,
) -> G:
    """Return the engine of some catalogue entries from the registry, as the catalogue says now.

    Args:
        key: the kind and the name, whose parts `placement.engine_of` joins.
        suits: whether `change` turns the engine of other entries into the wanted one.
    """
    if _asked_for.get(key, entries) != entries:
        registry.release(key, "the catalogue says something else of it now")
    changing = registry.Change(lambda other: suits(_asked_for.get(other, ())), change)
    engine = registry.get(key, make, changing, lambda: sum(map(_bytes_on_disk, entries)))
    _asked_for[key] = entries
    return engine


def embeddings(request: RenderRequest) -> list[Embedding]:
    """Return the textual inversions whose words are in the prompts; those that are not here are left out."""
    found = available.catalogue().embeddings_in(_model(request), request.engine_prompt, request.negative_prompt)
    here = (_verified(entry) for entry in found if entry.is_available(settings.HOME))
    return [Embedding(entry.weights_path(settings.HOME), entry.word, entry.label, entry.command) for entry in here]


def loras(request: RenderRequest) -> list[Lora]:
    """Return every LoRA: what a few-step adapter or variant requires, the camera motions and the styles."""
    catalogue, model = available.catalogue(), _model(request)
    of_adapter = _adapter(request).lora if model.is_animatediff else None
    motions = [*([of_adapter] if of_adapter else []), *request.motion_loras]
    styles = [*([model.lora] if model.lora else []), *request.style_loras]
    found: list[tuple[MotionLora | StyleLora, float]] = [
        *((_found(catalogue.loras, id), weight) for id, weight in motions),
        *((_found(catalogue.styles, id), weight) for id, weight in styles),
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

    return _warm(("interpolation", entry.id), (entry,), make)


def upscaling(request: RenderRequest) -> Upscaling:
    """Return the upscaling engine of the request's model."""
    entry = available.catalogue().upscalers[_model(request).upscaler]

    def make() -> Upscaling:
        return RealEsrganEngine(_verified(entry).paths(settings.HOME), label=entry.label, command=entry.command)

    return _warm(("upscaling", entry.id), (entry,), make)


def of_stage(stage: Stage, request: RenderRequest) -> Engine:
    """Return the engine of a stage that has one."""
    makers = {Stage.GENERATE: text_to_video, Stage.INTERPOLATE: interpolation, Stage.UPSCALE: upscaling}
    return makers[stage](request)


def count_tokens(request: RenderRequest, text: str | None = None) -> int:
    """Return the token count of the prompt, or of another text for the same model; loads only the tokenizer."""
    model, text = _model(request), request.engine_prompt if text is None else text
    if not model.is_animatediff:
        return FamilyEngine.from_entry(model, settings.HOME).count_tokens(text)
    return AnimateDiffEngine.from_entries(model, _adapter(request), settings.HOME).count_tokens(text)


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
    for other in entry.relies_on:
        _verified(other)
    verify(entry, settings.HOME)
    return entry

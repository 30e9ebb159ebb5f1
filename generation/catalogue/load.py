"""The catalogue of base models, motion adapters, LoRAs, interpolators and upscalers (see docs/models.md).

`catalogue.toml` beside this file lists our entries; an operator's own file adds entries or overrides fields of ours.
Nothing here accesses the network, the database or model weights.
"""

import logging
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from generation.catalogue import card_memory
from generation.catalogue.entries import (
    BaseModel,
    Configuration,
    Embedding,
    Entry,
    Interpolator,
    MotionAdapter,
    MotionLora,
    StyleLora,
    Upscaler,
    Vae,
)
from generation.catalogue.gguf_file import SUFFIX as GGUF
from generation.catalogue.pipelines import ANIMATEDIFF
from generation.catalogue.readers import READERS
from generation.catalogue.toml_table import CatalogueError, Table

__all__ = [
    "BaseModel",
    "Catalogue",
    "CatalogueError",
    "Configuration",
    "CurrentCatalogue",
    "Embedding",
    "Entry",
    "Interpolator",
    "MotionAdapter",
    "MotionLora",
    "StyleLora",
    "Upscaler",
    "Vae",
    "load_catalogue",
]

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).with_name("catalogue.toml")
KINDS = ("models", "configurations", "vaes", "adapters", "loras", "styles", "embeddings", "interpolators", "upscalers")

# Characters; ours has 15,000. tomllib takes minutes for a key with thousands of dots.
_MOST, _MOST_APPROVED, _LONGEST_LINE = 200_000, 2_000_000, 1_500
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")


@dataclass(frozen=True)
class Catalogue:
    """All entries by ID, in file order. IDs are unique across kinds."""

    models: Mapping[str, BaseModel]
    configurations: Mapping[str, Configuration]
    vaes: Mapping[str, Vae]
    adapters: Mapping[str, MotionAdapter]
    loras: Mapping[str, MotionLora]
    styles: Mapping[str, StyleLora]
    embeddings: Mapping[str, Embedding]
    interpolators: Mapping[str, Interpolator]
    upscalers: Mapping[str, Upscaler]

    def __iter__(self) -> Iterator[Entry]:
        for kind in KINDS:
            yield from getattr(self, kind).values()

    def __getitem__(self, id: str) -> Entry:
        for entry in self:
            if entry.id == id:
                return entry
        raise KeyError(id)

    @property
    def default_model(self) -> BaseModel:
        """Return the catalogue's default model."""
        return next(model for model in self.models.values() if model.default)

    def with_needs(self, id: str) -> tuple[Entry, ...]:
        """Return the entry `id` and everything it needs, each once, including bundled models."""
        found: dict[str, Entry] = {}
        waiting = [id]
        while waiting:
            entry = self[waiting.pop(0)]
            if entry.id not in found:
                found[entry.id] = entry
                waiting.extend(entry.needs)
        return tuple(found.values())

    def adapters_for(self, model: BaseModel) -> tuple[MotionAdapter, ...]:
        """Return the motion adapters that fit `model`."""
        found = self.adapters.values() if model.is_animatediff else ()
        return tuple(adapter for adapter in found if adapter.compatible(model))

    def loras_for(self, adapter: MotionAdapter) -> tuple[MotionLora, ...]:
        """Return the motion LoRAs that users may combine with `adapter`."""
        return tuple(lora for lora in self.loras.values() if lora.compatible(adapter))

    def styles_for(self, model: BaseModel) -> tuple[StyleLora, ...]:
        """Return the style LoRAs that fit `model`. What a few-step variant loads is not a style of anybody's choice."""
        taken = {other.lora[0] for other in self.models.values() if other.lora is not None}
        return tuple(style for style in self.styles.values() if style.compatible(model) and style.id not in taken)

    def embeddings_for(self, model: BaseModel) -> tuple[Embedding, ...]:
        """Return the textual inversions that fit `model`."""
        return tuple(each for each in self.embeddings.values() if model.is_animatediff and each.compatible(model))

    def embeddings_in(self, model: BaseModel, *texts: str) -> tuple[Embedding, ...]:
        """Return the textual inversions that fit `model` and whose word is in one of `texts`."""
        return tuple(each for each in self.embeddings_for(model) if any(each.is_in(text) for text in texts))


def load_catalogue(path: Path | str | None = None, approved: Path | str | None = None) -> Catalogue:
    """Return the bundled catalogue merged with `approved` and the operator's file `path`. Cached until one changes.

    An entry of `path` with a known ID overrides the fields it names, and with `repo` or `folder` also what pins our
    files; any other is a new entry. `default = true` in `path` replaces our default. `approved` is the file of entries
    that staff approved from the inbox (catalogue/approved.py); there may be none.

    Raises:
        CatalogueError: the file is unreadable or an entry is invalid; the message names the file, entry and field.
    """
    return _load(str(path or ""), _stamp(path), str(approved or ""), _stamp(approved))


def _stamp(path: Path | str | None) -> tuple[int, int] | None:
    """Return what tells one version of a file from the next, or None if there is no file."""
    try:
        status = Path(path).stat() if path else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size) if status else None


class CurrentCatalogue:
    """The catalogue of a running site, which follows its file: no restart is needed after an edit.

    A mistake stops a site from starting, but it must not break one that runs: the last good version stays in use, and
    the log has the mistake.
    """

    def __init__(self) -> None:
        self._good: dict[tuple[str, str], Catalogue] = {}
        self._seen: dict[tuple[str, str], object] = {}  # the versions that were tried last

    def get(self, path: Path | str | None = None, approved: Path | str | None = None) -> Catalogue:
        """Return the catalogue as `load_catalogue` does; raises CatalogueError only if there was no good version."""
        key, stamp = (str(path or ""), str(approved or "")), (_stamp(path), _stamp(approved))
        if key in self._good and self._seen[key] == stamp:
            return self._good[key]
        try:
            found = _load(key[0], stamp[0], key[1], stamp[1])
        except CatalogueError as error:
            if key not in self._good:
                raise
            logger.error("The changed catalogue is not used until this is corrected: %s", error)
        else:
            if key in self._good:
                logger.info("The catalogue %s has changed and is in use from now on", path or approved)
            self._good[key] = found
        self._seen[key] = stamp
        return self._good[key]


@lru_cache(maxsize=8)
def _load(path: str, _stamp: object, approved: str, approved_stamp: object) -> Catalogue:
    tables = _read(SHIPPED)
    origin = {(kind, id): SHIPPED.name for kind in KINDS for id in tables[kind]}
    for file in (approved if approved_stamp else "", path):
        if not file:
            continue
        extra = _read(Path(file), _MOST if file == path else _MOST_APPROVED)
        if any(fields.get("default") is True for fields in extra["models"].values() if isinstance(fields, dict)):
            tables["models"] = {id: {**fields, "default": False} for id, fields in tables["models"].items()}
        for kind in KINDS:
            for id, fields in extra[kind].items():
                origin[kind, id] = Path(file).name
                tables[kind][id] = _over(tables[kind].get(id, {}), fields) if isinstance(fields, dict) else fields
    tables["models"] = dict(_with_inherited(tables["models"], origin))
    return _build(tables, origin)


def _over(known: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of our entry with an operator's over them. What pins our files does not pin others."""
    untrue = ("revision", "sha256") if _changes(known, fields, "repo", "folder") else ()
    return {**{name: value for name, value in _sized(known, fields).items() if name not in untrue}, **fields}


def _sized(known: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an entry that hold for one that says `fields` over them: other sizes need other memory."""
    untrue = ["native_sizes"] if _changes(known, fields, "native_size", "side_multiple") else []
    now = {**known, **fields}
    if str(now.get("weights")).endswith(GGUF):
        is_other = _changes(known, fields, "weights")  # fewer bits: no figure of whole weights, and none in the table
    else:
        is_changed = bool(untrue) or _changes(known, fields, "native_sizes", "native_fps")
        is_other = is_changed and card_memory.is_calculated(str(now.get("family")))
    if is_other:
        untrue.append("memory_gb")  # without a figure, the table of its family says what a clip needs
    return {name: value for name, value in known.items() if name not in untrue}


def _changes(known: Mapping[str, Any], fields: Mapping[str, Any], *names: str) -> bool:
    return any(name in fields and fields[name] != known.get(name) for name in names)


def _with_inherited(models: Mapping[str, Any], origin: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, Any]]:
    """Yield ID and fields of models, those of a variant over those of the model whose files it uses."""
    for id, fields in models.items():
        if not isinstance(fields, dict) or "variant_of" not in fields:
            yield id, fields
            continue
        name = str(fields["variant_of"])
        inherited = models.get(name)
        table = Table(f"{origin['models', id]}: models '{id}'", {})
        if not isinstance(inherited, dict):
            raise table.error("variant_of", f"names '{name}', which is not in the catalogue")
        if "variant_of" in inherited:
            raise table.error("variant_of", f"names '{name}', which is itself a variant")
        yield id, {**_sized(inherited, fields), "default": False, **fields}


def _read(path: Path, most: int = _MOST) -> dict[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > most or max(map(len, text.split("\n"))) > _LONGEST_LINE:
            raise CatalogueError(f"{path}: more than {most} characters, or {_LONGEST_LINE} in a line, are no catalogue")
        data = tomllib.loads(text)
    except OSError as error:
        raise CatalogueError(f"{path}: the catalogue cannot be read ({error.strerror or error})") from error
    except CatalogueError:
        raise
    except RecursionError as error:
        raise CatalogueError(f"{path}: this is too deeply nested") from error
    except ValueError as error:  # not TOML, not UTF-8, or a number with more digits than Python converts
        raise CatalogueError(f"{path}: this is not TOML ({error})") from error
    for kind, entries in data.items():
        if kind not in KINDS:
            raise CatalogueError(f"{path}: '{kind}' is no kind of entry; there are {', '.join(KINDS)}")
        if not isinstance(entries, dict):
            raise CatalogueError(f"{path}: '{kind}' must be a table of entries, as in [{kind}.my-id]")
    return {kind: dict(data.get(kind, {})) for kind in KINDS}


def _build(tables: Mapping[str, Mapping[str, Any]], origin: Mapping[tuple[str, str], str]) -> Catalogue:
    built: dict[str, Mapping[str, Any]] = {}
    seen: dict[str, str] = {}
    for kind in KINDS:
        entries = {}
        for id, fields in tables[kind].items():
            where = f"{origin[kind, id]}: {kind} '{id}'"
            if not isinstance(fields, dict):
                raise CatalogueError(f"{where}: must be a table of fields, as in [{kind}.{id}]")
            if not _ID.fullmatch(id):
                raise CatalogueError(f"{where}: an id is made of small letters, digits, dots and hyphens")
            if id in seen:
                raise CatalogueError(f"{where}: the id is taken already, by {seen[id]}")
            seen[id] = where
            table = Table(where, fields)
            entries[id] = READERS[kind](id, table)
            table.done()
        built[kind] = MappingProxyType(entries)
    catalogue = Catalogue(**built)
    _check_references(catalogue, origin)
    return _with_others(catalogue)


def _with_others(catalogue: Catalogue) -> Catalogue:
    """Return the catalogue with the entries that others rely on in those."""

    def configuration(entry: BaseModel | Vae) -> Entry | None:
        return catalogue[entry.configuration] if entry.configuration else None

    vaes = {id: replace(vae, configuration_entry=configuration(vae)) for id, vae in catalogue.vaes.items()}
    models = {
        id: replace(model, configuration_entry=configuration(model), vae_entry=vaes[model.vae] if model.vae else None)
        for id, model in catalogue.models.items()
    }
    return replace(catalogue, models=MappingProxyType(models), vaes=MappingProxyType(vaes))


def _folders(catalogue: Catalogue, pipeline: str) -> dict[str, BaseModel]:
    """Return the models whose folders have the configuration of a pipeline's parts."""
    return {id: model for id, model in catalogue.models.items() if model.pipeline == pipeline and not model.weights}


def _check_references(catalogue: Catalogue, origin: Mapping[tuple[str, str], str]) -> None:
    def known(entry: Entry, field: str, id: str, among: Mapping[str, Entry]) -> None:
        table = Table(f"{origin[entry.kind, entry.id]}: {entry.kind} '{entry.id}'", {})
        if id not in among:
            raise table.error(field, f"names '{id}', which is not in the catalogue")
        if not Entry.compatible(entry, among[id]):
            raise table.error(field, f"names '{id}', which is of family '{among[id].family}', not '{entry.family}'")

    for model in catalogue.models.values():
        if model.adapter is not None:
            known(model, "adapter", model.adapter, catalogue.adapters)
        if model.lora is not None:
            known(model, "lora", model.lora[0], catalogue.styles)
        if model.variant_of is not None:
            known(model, "variant_of", model.variant_of, catalogue.models)
        if model.vae is not None:
            known(model, "vae", model.vae, catalogue.vaes)
        known(model, "interpolator", model.interpolator, catalogue.interpolators)
        known(model, "upscaler", model.upscaler, catalogue.upscalers)
    files: list[BaseModel | Vae] = [*catalogue.models.values(), *catalogue.vaes.values()]
    for file in files:
        if file.configuration is not None:
            pipeline = file.pipeline if isinstance(file, BaseModel) else ANIMATEDIFF
            layouts = {**catalogue.configurations, **_folders(catalogue, pipeline)}
            known(file, "configuration", file.configuration, layouts)
    for adapter in catalogue.adapters.values():
        if adapter.lora is not None:
            known(adapter, "lora", adapter.lora[0], catalogue.loras)
    for lora in catalogue.loras.values():
        for id in lora.adapters:
            known(lora, "adapters", id, catalogue.adapters)
    defaults = [model.id for model in catalogue.models.values() if model.default]
    if len(defaults) != 1:
        raise CatalogueError(f"the catalogue needs one model with default = true; it has {defaults or 'none'}")

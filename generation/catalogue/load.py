"""The catalogue of base models, motion adapters, LoRAs, interpolators and upscalers (see docs/models.md).

`catalogue.toml` beside this file lists our entries; an operator's own file adds entries or overrides fields of ours.
Nothing here accesses the network, the database or model weights.
"""

import logging
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from generation.catalogue.entries import (
    BaseModel,
    Entry,
    Interpolator,
    MotionAdapter,
    MotionLora,
    StyleLora,
    Upscaler,
    is_inside,
)
from generation.catalogue.toml_table import CatalogueError, Table
from generation.domain.plan import SIDE_MULTIPLE, FrameRule

__all__ = [
    "BaseModel",
    "Catalogue",
    "CatalogueError",
    "CurrentCatalogue",
    "Entry",
    "Interpolator",
    "MotionAdapter",
    "MotionLora",
    "StyleLora",
    "Upscaler",
    "load_catalogue",
]

logger = logging.getLogger(__name__)

SHIPPED = Path(__file__).with_name("catalogue.toml")
KINDS = ("models", "adapters", "loras", "styles", "interpolators", "upscalers")

# Characters; ours has 15,000. tomllib takes minutes for a key with thousands of dots.
_MOST, _LONGEST_LINE = 200_000, 1_500
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# The layout written by StableDiffusionPipeline.save_pretrained, with the weights of one variant and without the parts
# that AnimateDiffPipeline does not use (safety checker, feature extractor).
_DIFFUSERS_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "text_encoder/model{variant}.safetensors",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
    "tokenizer/vocab.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model{variant}.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model{variant}.safetensors",
)
_ADAPTER_FILES = ("config.json", "diffusion_pytorch_model{variant}.safetensors")


@dataclass(frozen=True)
class Catalogue:
    """All entries by ID, in file order. IDs are unique across kinds."""

    models: Mapping[str, BaseModel]
    adapters: Mapping[str, MotionAdapter]
    loras: Mapping[str, MotionLora]
    styles: Mapping[str, StyleLora]
    interpolators: Mapping[str, Interpolator]
    upscalers: Mapping[str, Upscaler]

    def __iter__(self) -> Iterator[Entry]:
        for kind in (self.models, self.adapters, self.loras, self.styles, self.interpolators, self.upscalers):
            yield from kind.values()

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
        return tuple(adapter for adapter in self.adapters.values() if adapter.compatible(model))

    def loras_for(self, adapter: MotionAdapter) -> tuple[MotionLora, ...]:
        """Return the motion LoRAs that users may combine with `adapter`."""
        return tuple(lora for lora in self.loras.values() if lora.compatible(adapter))

    def styles_for(self, model: BaseModel) -> tuple[StyleLora, ...]:
        """Return the style LoRAs that fit `model`."""
        return tuple(style for style in self.styles.values() if style.compatible(model))


def load_catalogue(path: Path | str | None = None) -> Catalogue:
    """Return the bundled catalogue merged with the operator's file `path`. Cached until that file changes.

    An entry of `path` with a known ID overrides the fields it names, and with `repo` or `folder` also what pins our
    files; any other is a new entry. `default = true` in `path` replaces our default.

    Raises:
        CatalogueError: the file is unreadable or an entry is invalid; the message names the file, entry and field.
    """
    return _load(str(path or ""), _stamp(path))


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
        self._good: dict[str, Catalogue] = {}
        self._seen: dict[str, object] = {}  # the version that was tried last

    def get(self, path: Path | str | None = None) -> Catalogue:
        """Return the catalogue as `load_catalogue` does; raises CatalogueError only if there was no good version."""
        key, stamp = str(path or ""), _stamp(path)
        if key in self._good and self._seen[key] == stamp:
            return self._good[key]
        try:
            found = _load(key, stamp)
        except CatalogueError as error:
            if key not in self._good:
                raise
            logger.error("The changed catalogue is not used until this is corrected: %s", error)
        else:
            if key in self._good:
                logger.info("The catalogue %s has changed and is in use from now on", path)
            self._good[key] = found
        self._seen[key] = stamp
        return self._good[key]


@lru_cache(maxsize=8)
def _load(path: str, _stamp: object) -> Catalogue:
    tables = _read(SHIPPED)
    origin = {(kind, id): SHIPPED.name for kind in KINDS for id in tables[kind]}
    if path:
        extra = _read(Path(path))
        if any(fields.get("default") is True for fields in extra["models"].values() if isinstance(fields, dict)):
            tables["models"] = {id: {**fields, "default": False} for id, fields in tables["models"].items()}
        for kind in KINDS:
            for id, fields in extra[kind].items():
                origin[kind, id] = Path(path).name
                tables[kind][id] = _over(tables[kind].get(id, {}), fields) if isinstance(fields, dict) else fields
    return _build(tables, origin)


def _over(known: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of our entry with an operator's over them. What pins our files does not pin others."""
    is_elsewhere = any(name in fields and fields[name] != known.get(name) for name in ("repo", "folder"))
    return {**{name: known[name] for name in known if not (is_elsewhere and name in ("revision", "sha256"))}, **fields}


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        if len(text) > _MOST or max(map(len, text.split("\n"))) > _LONGEST_LINE:
            raise CatalogueError(
                f"{path}: more than {_MOST} characters, or {_LONGEST_LINE} in a line, are no catalogue"
            )
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
            entries[id] = _READERS[kind](id, table)
            table.done()
        built[kind] = MappingProxyType(entries)
    catalogue = Catalogue(**built)
    _check_references(catalogue, origin)
    return catalogue


def _check_references(catalogue: Catalogue, origin: Mapping[tuple[str, str], str]) -> None:
    def known(entry: Entry, field: str, id: str, among: Mapping[str, Entry]) -> None:
        table = Table(f"{origin[entry.kind, entry.id]}: {entry.kind} '{entry.id}'", {})
        if id not in among:
            raise table.error(field, f"names '{id}', which is not in the catalogue")
        if not Entry.compatible(entry, among[id]):
            raise table.error(field, f"names '{id}', which is of family '{among[id].family}', not '{entry.family}'")

    for model in catalogue.models.values():
        known(model, "adapter", model.adapter, catalogue.adapters)
        known(model, "interpolator", model.interpolator, catalogue.interpolators)
        known(model, "upscaler", model.upscaler, catalogue.upscalers)
    for adapter in catalogue.adapters.values():
        if adapter.lora is not None:
            known(adapter, "lora", adapter.lora[0], catalogue.loras)
    for lora in catalogue.loras.values():
        for id in lora.adapters:
            known(lora, "adapters", id, catalogue.adapters)
    defaults = [model.id for model in catalogue.models.values() if model.default]
    if len(defaults) != 1:
        raise CatalogueError(f"the catalogue needs one model with default = true; it has {defaults or 'none'}")


def _common(id: str, table: Table, files: tuple[str, ...] | None = None) -> dict[str, Any]:
    """Return the fields common to all entries. `files` is the kind's default layout, if the entry lists no files."""
    builtin = table.flag("builtin", False)
    names = table.texts("files", files) if files else table.texts("files")
    if not names:
        raise table.error("files", "must name a file")
    for name in names:
        if not is_inside(name):
            raise table.error("files", f"must be paths within the model's folder, not {name!r}")
    hashes = table.mapping("sha256", {})
    for name, value in hashes.items():
        if not isinstance(value, str) or not _SHA256.fullmatch(value):
            raise table.error("sha256", f"must give 64 hexadecimal digits for '{name}', not {value!r}")
    return {
        "id": id,
        "english_label": table.text("label"),
        "english_purpose": table.text("purpose"),
        "family": table.text("family"),
        "files": names,
        "licence": table.text("licence"),
        "repo": _repo(table, "repo"),
        "revision": _revision(table, "revision"),
        "sha256": MappingProxyType(hashes),
        "download_mb": table.integer("download_mb", 0, 1_000_000, 0),
        "memory_gb": table.number("memory_gb", 0, 1000, 0.0),
        "builtin": builtin,
        "folder": _folder(table, is_absolute=not builtin),
    }


def _folder(table: Table, *, is_absolute: bool) -> str | None:
    folder = table.text("folder", None)
    if folder is not None and Path(folder).is_absolute() != is_absolute:
        raise table.error("folder", "must be a path that begins with /" if is_absolute else "must be a folder's name")
    return folder


def _repo(table: Table, field: str) -> str | None:
    repo = table.text(field, None)
    if repo is not None and not _REPO.fullmatch(repo):
        raise table.error(field, f"must be a repository's name, as in 'owner/name', not {repo!r}")
    return repo


def _revision(table: Table, field: str) -> str | None:
    revision = table.text(field, None)
    if revision is not None and not _COMMIT.fullmatch(revision):
        raise table.error(field, f"must be a full commit hash (40 hexadecimal digits), not {revision!r}")
    return revision


def _variant_files(table: Table, layout: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    variant = table.text("variant", None)
    return variant, tuple(name.format(variant=f".{variant}" if variant else "") for name in layout)


def _scheduler(table: Table, scheduler: dict[str, Any]) -> Mapping[str, Any]:
    if not str(scheduler.get("class", "")).isidentifier():
        raise table.error("scheduler", "must name a diffusers scheduler under 'class', as in class = 'DDIMScheduler'")
    return MappingProxyType(scheduler)


def _model(id: str, table: Table) -> BaseModel:
    variant, files = _variant_files(table, _DIFFUSERS_FILES)
    vae_repo = _repo(table, "vae_repo")
    if vae_repo is not None:
        files = tuple(name for name in files if not name.startswith("vae/"))
    model = BaseModel(
        **_common(id, table, files),
        variant=variant,
        vae_repo=vae_repo,
        vae_revision=_revision(table, "vae_revision"),
        native_size=table.integer("native_size", 8, 4096),
        min_size=table.integer("min_size", 8, 4096),
        native_fps=table.integer("native_fps", 1, 60),
        frame_rule=_frame_rule(table),
        steps=table.integer("steps", 1, 200),
        guidance=table.number("guidance", 1, 50),
        scheduler=_scheduler(table, table.mapping("scheduler")),
        adapter=table.text("adapter"),
        interpolator=table.text("interpolator"),
        upscaler=table.text("upscaler"),
        max_prompt_tokens=table.integer("max_prompt_tokens", 3, 4096, 77),
        vocabulary=table.text("vocabulary", None),
        default=table.flag("default", False),
    )
    multiple = model.frame_rule.side_multiple
    for field in ("native_size", "min_size"):
        if getattr(model, field) % multiple:
            raise table.error(field, f"must be a multiple of {multiple}, which is what one latent pixel covers")
    if model.min_size > model.native_size:
        raise table.error("min_size", f"must not be above native_size ({model.native_size})")
    return model


def _frame_rule(table: Table) -> FrameRule:
    multiple = table.integer("frame_multiple", 1, 64, 1)
    rule = FrameRule(
        multiple=multiple,
        offset=table.integer("frame_offset", 0, multiple - 1, 0),
        most=table.integer("max_frames", 1, 4096, None),
        side_multiple=table.integer("side_multiple", SIDE_MULTIPLE, 128, SIDE_MULTIPLE),
    )
    if rule.most is not None and rule.at_least(rule.most) != rule.most:
        raise table.error("max_frames", f"must be a multiple of {multiple} plus {rule.offset}")
    return rule


def _adapter(id: str, table: Table) -> MotionAdapter:
    weights = table.text("weights", None)
    variant, files = _variant_files(table, _ADAPTER_FILES)
    lora = table.text("lora", None)
    scheduler = table.mapping("scheduler", None)
    lora_weight = table.number("lora_weight", 0, 2, 1.0)
    return MotionAdapter(
        **_common(id, table, (weights,) if weights else files),
        weights=weights,
        variant=variant,
        context_length=table.integer("context_length", 1, 1024),
        context_stride=table.integer("context_stride", 1, 1024),
        max_frames=table.integer("max_frames", 1, 4096),
        scheduler=None if scheduler is None else _scheduler(table, scheduler),
        steps=table.integer("steps", 1, 200, None),
        guidance=table.number("guidance", 1, 50, None),
        lora=(lora, lora_weight) if lora else None,
    )


def _lora(id: str, table: Table) -> MotionLora:
    weights = table.text("weights", "diffusion_pytorch_model.safetensors")
    return MotionLora(
        **_common(id, table, (weights,)),
        weights=weights,
        adapters=table.texts("adapters"),
        default_weight=table.number("default_weight", 0, 2, 1.0),
        hidden=table.flag("hidden", False),
    )


def _style(id: str, table: Table) -> StyleLora:
    weights = table.text("weights")
    return StyleLora(**_common(id, table, (weights,)), weights=weights)


def _interpolator(id: str, table: Table) -> Interpolator:
    return Interpolator(**_common(id, table))


def _upscaler(id: str, table: Table) -> Upscaler:
    named = table.mapping("scales")
    for factor, name in named.items():
        if factor not in ("2", "4") or not isinstance(name, str):
            raise table.error("scales", f"must give a file for 2 or 4, not {factor} = {name!r}")
    if not named:
        raise table.error("scales", "must name a file for 2 or 4")
    scales = {int(factor): name for factor, name in named.items()}
    return Upscaler(**_common(id, table, tuple(scales.values())), scales=MappingProxyType(scales))


_READERS: Mapping[str, Callable[[str, Table], Entry]] = {
    "models": _model,
    "adapters": _adapter,
    "loras": _lora,
    "styles": _style,
    "interpolators": _interpolator,
    "upscalers": _upscaler,
}

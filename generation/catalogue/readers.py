"""How each kind of catalogue entry is read from its table, field by field."""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from generation.catalogue import diffusers_names
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
    is_inside,
)
from generation.catalogue.gguf_file import SUFFIX as GGUF
from generation.catalogue.pipelines import ANIMATEDIFF, IN_GGUF, IN_ONE_FILE, PIPELINES, PRECISIONS, TAKEN
from generation.catalogue.toml_table import Table
from generation.domain.plan import SIDE_MULTIPLE, FrameRule
from generation.domain.shapes import ASPECTS, Size, has_aspect

_REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WORD = re.compile(r"<?[\w.-]{1,58}>?")
_SIZE = re.compile(r"([0-9]{1,4})x([0-9]{1,4})")
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
_VAE_FILES = ("config.json", "diffusion_pytorch_model.safetensors")
_CONFIGURATION_FILES = tuple(name for name in _DIFFUSERS_FILES if not name.endswith(".safetensors"))

SAFETENSORS = ".safetensors"

# Where the configuration of a single-file checkpoint is, if its entry does not say so.
_USUAL_CONFIGURATION = {"sd15": "sd15-configuration"}


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
        if not is_inside(name):
            raise table.error("sha256", f"must be of paths within the model's folder, not {name!r}")
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


def _scheduler(table: Table, scheduler: dict[str, Any], pipeline: str = ANIMATEDIFF) -> Mapping[str, Any]:
    """Return the class and options of a scheduler that the pipeline can use."""
    if not str(scheduler.get("class", "")).isidentifier():
        raise table.error("scheduler", "must name a diffusers scheduler under 'class', as in class = 'DDIMScheduler'")
    is_animatediff, name = pipeline == ANIMATEDIFF, scheduler["class"]
    usable = diffusers_names.ANIMATEDIFF_SCHEDULERS if is_animatediff else diffusers_names.OTHER_SCHEDULERS
    if name not in usable:
        raise table.error("scheduler", f"must name one of {', '.join(usable)} under 'class', not '{name}'")
    _require_known(table, "scheduler", scheduler.keys() - {"class"}, diffusers_names.OPTIONS[name], name)
    return MappingProxyType(scheduler)


def _require_known(table: Table, field: str, names: Iterable[str], known: tuple[str, ...], owner: str) -> None:
    """Refuse names that `owner` of diffusers does not have."""
    for name in sorted(names):
        if name not in known:
            told = ", ".join(known) or "none"
            raise table.error(field, f"names '{name}', which {owner} does not have; there are {told}")


def _model(id: str, table: Table) -> BaseModel:
    pipeline = table.text("pipeline", ANIMATEDIFF, PIPELINES)
    # Other families have parts of other names, so their entries list the files.
    variant, files = _variant_files(table, _DIFFUSERS_FILES if pipeline == ANIMATEDIFF else ())
    adapter = table.text("adapter", None)
    if (adapter is None) is (pipeline == ANIMATEDIFF):
        raise table.error("adapter", "is missing" if adapter is None else f"does not go with {pipeline}")
    vae_repo, vae = _other_vae(table)
    if vae_repo is not None or vae is not None:
        files = tuple(name for name in files if not name.startswith("vae/"))
    weights, configuration = _weights(table, pipeline, vae_repo)
    common = _common(id, table, (weights,) if weights else files)
    model = BaseModel(
        **common,
        weights=weights,
        configuration=configuration,
        vae=vae,
        variant=variant,
        vae_repo=vae_repo,
        vae_revision=_revision(table, "vae_revision"),
        parts=_parts(table, common["files"], vae_repo),
        native_size=table.integer("native_size", 8, 4096),
        native_sizes=_native_sizes(table),
        min_size=table.integer("min_size", 8, 4096),
        native_fps=table.integer("native_fps", 1, 60),
        frame_rule=_frame_rule(table),
        steps=table.integer("steps", 1, 200),
        guidance=table.number("guidance", 1, 50),
        scheduler=_scheduler(table, table.mapping("scheduler"), pipeline),
        adapter=adapter,
        pipeline=pipeline,
        is_guided=table.flag("guided", True),
        lora=_needed_lora(table),
        precisions=_precisions(table, pipeline),
        call=_call(table, pipeline),
        clip_skip=_clip_skip(table, pipeline),
        variant_of=table.text("variant_of", None),
        english_notice=table.text("notice", ""),
        interpolator=table.text("interpolator"),
        upscaler=table.text("upscaler"),
        max_prompt_tokens=table.integer("max_prompt_tokens", 3, 4096, 77),
        vocabulary=_vocabulary(table),
        default=table.flag("default", False),
    )
    _check_sizes(model, table)
    return model


def _other_vae(table: Table) -> tuple[str | None, str | None]:
    """Return the repository and the entry of a VAE that replaces the model's own; None for those not given."""
    vae_repo, vae = _repo(table, "vae_repo"), table.text("vae", None)
    if vae_repo is not None and vae is not None:
        raise table.error("vae", "and 'vae_repo' both replace the VAE; give one of them")
    return vae_repo, vae


def _weights(table: Table, pipeline: str, vae_repo: str | None) -> tuple[str | None, str | None]:
    """Return the single file with the weights, and the entry with their configuration; None for those not given."""
    formats = ((SAFETENSORS,) if pipeline in IN_ONE_FILE else ()) + ((GGUF,) if pipeline in IN_GGUF else ())
    if table.peek("weights") is not None and not formats:
        raise table.error("weights", f"does not go with {pipeline}")
    weights, configuration = _single_file(table, formats)
    if weights is not None and vae_repo is not None:
        raise table.error("weights", "does not go with vae_repo; name an entry in 'vae'")
    if weights is not None and table.peek("parts"):
        raise table.error("parts", "does not go with weights, a single file; name an entry in 'vae'")
    return weights, configuration


def _check_sizes(model: BaseModel, table: Table) -> None:
    """Refuse sizes and rates that do not go together."""
    multiple = model.frame_rule.side_multiple
    for field in ("native_size", "min_size"):
        if getattr(model, field) % multiple:
            raise table.error(field, f"must be a multiple of {multiple}, which is what one latent pixel covers")
    if model.frame_rule.most is not None and model.frame_rule.most <= model.native_fps:
        raise table.error("max_frames", f"must be above native_fps ({model.native_fps}): a clip has a second at least")
    if model.min_size > model.native_size:
        raise table.error("min_size", f"must not be above native_size ({model.native_size})")
    for aspect, size in model.native_sizes.items():
        if any(side % multiple for side in size):
            raise table.error(
                "native_sizes", f"must have sides that are multiples of {multiple}, not {_told(aspect, size)}"
            )
        if min(size) < model.min_size:
            raise table.error("native_sizes", f"must not be below min_size ({model.min_size}): {_told(aspect, size)}")


def _native_sizes(table: Table) -> Mapping[str, Size]:
    """Return the width and height by aspect ratio, in the order of the file."""
    found = {}
    for aspect, written in table.mapping("native_sizes", {}).items():
        if aspect not in ASPECTS:
            raise table.error("native_sizes", f"must be for some of {', '.join(ASPECTS)}, not for '{aspect}'")
        match = _SIZE.fullmatch(written) if isinstance(written, str) else None
        size = (int(match[1]), int(match[2])) if match else (0, 0)
        if not all(8 <= side <= 4096 for side in size):
            raise table.error(
                "native_sizes",
                f"must give '{aspect}' a size of 8 to 4096 pixels a side, as in '832x480', not {written!r}",
            )
        if not has_aspect(*size, aspect):
            raise table.error("native_sizes", f"must give '{aspect}' a size of about that shape, not '{written}'")
        found[aspect] = size
    return MappingProxyType(found)


def _told(aspect: str, size: Size) -> str:
    return f"'{size[0]}x{size[1]}' for '{aspect}'"


def _clip_skip(table: Table, pipeline: str) -> int:
    clip_skip: int = table.integer("clip_skip", 1, 12, 1)
    if clip_skip > 1 and pipeline != ANIMATEDIFF:
        raise table.error("clip_skip", f"does not go with {pipeline}, which does not read prompts with CLIP")
    return clip_skip


def _single_file(table: Table, formats: tuple[str, ...] = (SAFETENSORS,)) -> tuple[str | None, str | None]:
    """Return the single file of a model's or VAE's weights, and the ID of the entry that has its configuration.

    Args:
        formats: how its name may end.
    """
    weights, configuration = _weights_file(table, formats), table.text("configuration", None)
    if weights is None:
        if configuration is not None:
            raise table.error("configuration", "goes with 'weights', which names a single file")
        return None, None
    configuration = configuration or _USUAL_CONFIGURATION.get(str(table.peek("family")))
    if configuration is None:
        raise table.error("configuration", "is missing: the entry whose configuration and tokenizer the file needs")
    return weights, configuration


def _weights_file(table: Table, formats: tuple[str, ...]) -> str | None:
    """Return the file that `weights` names. Other formats of weights may hold programs."""
    weights = table.text("weights", None)
    if weights is not None and not weights.endswith(formats):
        raise table.error("weights", f"must be a {' or '.join(formats)} file, not {weights!r}")
    return weights


def _vocabulary(table: Table) -> str | None:
    name = table.text("vocabulary", None)
    if name is not None and not is_inside(name):
        raise table.error("vocabulary", f"must be a path within the model's folder, not {name!r}")
    return name


def _needed_lora(table: Table) -> tuple[str, float] | None:
    lora, weight = table.text("lora", None), table.number("lora_weight", 0, 2, 1.0)
    return (lora, weight) if lora else None


def _of_other_families(table: Table, field: str, pipeline: str) -> dict[str, Any]:
    """Return a table that AnimateDiff's models do not have, because nothing would read it."""
    found: dict[str, Any] = table.mapping(field, {})
    if found and pipeline == ANIMATEDIFF:
        raise table.error(field, f"does not go with {ANIMATEDIFF}")
    return found


def _precisions(table: Table, pipeline: str) -> Mapping[str, str]:
    """Return the precision of networks that need another than the card's usual one."""
    found = _of_other_families(table, "precisions", pipeline)
    for part, precision in found.items():
        if not part.isidentifier() or precision not in PRECISIONS:
            raise table.error(
                "precisions", f"must give one of {', '.join(PRECISIONS)} for a component, not {precision!r}"
            )
    _require_known(table, "precisions", found, diffusers_names.NETWORKS.get(pipeline, ()), pipeline)
    return MappingProxyType(found)


def _parts(table: Table, files: tuple[str, ...], vae_repo: str | None) -> Mapping[str, tuple[str, str | None]]:
    """Return the repository and commit of the folders that come from elsewhere."""
    found = {}
    first = dict.fromkeys(name.partition("/")[0] for name in files if "/" in name)
    folders = tuple(name for name in first if name.isidentifier())  # '*' names none of them
    for part, fields in table.mapping("parts", {}).items():
        if not part.isidentifier() or not isinstance(fields, dict):
            raise table.error(
                "parts", f"must be tables of 'repo' and 'revision', as in [models.id.parts.vae], not {part!r}"
            )
        own = Table(f"{table.where}: parts '{part}'", fields)
        repo = _repo(own, "repo")
        if repo is None:
            raise own.error("repo", "is missing")
        found[part] = (repo, _revision(own, "revision"))
        own.done()
    if found and vae_repo is not None:
        raise table.error("parts", "and 'vae_repo' do not go together; name the VAE's repository in 'parts'")
    _require_known(table, "parts", found, folders, "'files'")
    return MappingProxyType(found)


def _call(table: Table, pipeline: str) -> Mapping[str, Any]:
    """Return fixed arguments of the pipeline's call: numbers, texts or flags, or lists of them."""
    found = _of_other_families(table, "call", pipeline)
    for name, value in found.items():
        values = value if isinstance(value, list) else [value]
        is_usable = isinstance(value, list) or name != "timesteps"
        if name in TAKEN or not name.isidentifier() or not is_usable or not all(map(_is_plain, values)):
            raise table.error("call", f"cannot set '{name}' to {value!r}")
    _require_known(table, "call", found, diffusers_names.ARGUMENTS.get(pipeline, ()), pipeline)
    return MappingProxyType(found)


def _is_plain(value: Any) -> bool:
    """Return whether a value is a finite number, a text or a flag; TOML also has dates."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


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
    scheduler = table.mapping("scheduler", None)
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
        lora=_needed_lora(table),
    )


def _configuration(id: str, table: Table) -> Configuration:
    return Configuration(**_common(id, table, _CONFIGURATION_FILES))


def _vae(id: str, table: Table) -> Vae:
    weights, configuration = _single_file(table)
    files = (weights,) if weights else _VAE_FILES
    return Vae(**_common(id, table, files), weights=weights, configuration=configuration)


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


def _embedding(id: str, table: Table) -> Embedding:
    weights, word = table.text("weights"), table.text("word", id)
    if not _WORD.fullmatch(word):
        raise table.error("word", f"must be one word of at most 60 letters, digits, '_', '-', '.', not {word!r}")
    return Embedding(**_common(id, table, (weights,)), weights=weights, word=word)


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


READERS: Mapping[str, Callable[[str, Table], Entry]] = {
    "models": _model,
    "configurations": _configuration,
    "vaes": _vae,
    "adapters": _adapter,
    "loras": _lora,
    "styles": _style,
    "embeddings": _embedding,
    "interpolators": _interpolator,
    "upscalers": _upscaler,
}

"""Opening a pipeline of another family from a local folder, in diffusers' layout.

Which classes are loaded is decided by the pipeline's own signature, never by what a downloaded file names.
"""

import functools
import inspect
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from generation.catalogue.diffusers_names import OTHER_SCHEDULERS
from workers.engines.families import single_file
from workers.engines.files import gguf
from workers.engines.files.configs import read_json, require_class
from workers.engines.files.schedulers import make_scheduler
from workers.engines.files.source import Source
from workers.engines.files.weights import DIFFUSERS_WEIGHTS, TRANSFORMERS_WEIGHTS, load_model
from workers.engines.importing import share_logging

# Pipelines with the same parts, so that one's folder is the other's.
_SAME_PARTS = {"LTXConditionPipeline": ("LTXPipeline",), "LTXPipeline": ("LTXConditionPipeline",)}


def open_pipeline(base: Path, name: str, kinds: Mapping[str, Any], source: Source, weights: Path | None = None) -> Any:
    """Return a pipeline of diffusers with the parts in `base`, on the CPU.

    Args:
        base: the folder with model_index.json.
        name: the pipeline's class, one of `generation.catalogue.pipelines.OTHERS`.
        kinds: returns the torch dtype of a part by its name, such as "vae".
        weights: a single file with some of the networks; of these, only the configuration is in `base`. A GGUF file
            has the transformer.

    Raises:
        RenderError: "model-missing", "model-corrupt" or "model-unsafe", naming the file; "checkpoint-..." if `weights`
            is not one for this configuration.
    """
    import diffusers

    share_logging()
    if not base.is_dir():
        raise source.missing(base)
    cls = getattr(diffusers, name)
    listed = base / "model_index.json"
    index = read_json(listed, source)
    if index.get("_class_name") not in _SAME_PARTS.get(name, ()):
        require_class({"_class_name": index.get("_class_name", name)}, cls, listed, source)
    parts: dict[str, Any] = {}
    # The transformer comes first: what a single file holds is known at once, and a text encoder has gigabytes.
    for part, annotation in sorted(expected_parts(cls).items(), key=lambda named: named[0] != "transformer"):
        value = index.get(part)
        if part == "scheduler":
            parts[part] = make_scheduler(None, base, source, allowed=OTHER_SCHEDULERS)
        elif _names_class(value):
            file = weights if part == "transformer" or not gguf.is_gguf(weights) else None
            parts[part] = _load_part(annotation, base / part, kinds[part], source, file)
        elif value in (None, [None, None]):  # the latter is how diffusers stores that there is none
            if _is_class(annotation) and not _may_be_missing(cls, part):
                raise source.missing(base / part)
        elif _is_class(annotation) or not isinstance(value, bool | int | float | str):
            raise source.corrupt(listed)
        else:
            parts[part] = value  # a setting of the pipeline, such as Wan's boundary_ratio
    _convert_latents(parts["vae"])
    pipeline = cls(**parts)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _convert_latents(vae: Any) -> None:
    """Let a VAE decode latents of another precision than its own, which not every pipeline converts."""
    decode = vae.decode

    @functools.wraps(decode)
    def converting(latents: Any, *args: Any, **kwargs: Any) -> Any:
        return decode(latents.to(vae.dtype), *args, **kwargs)

    vae.decode = converting


def _names_class(value: Any) -> bool:
    """Return whether a value in model_index.json says that there is a part: its library and class."""
    return isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) for name in value)


def expected_parts(cls: Any) -> dict[str, Any]:
    """Return the parts and settings that a pipeline is made of, with their types."""
    hints = typing.get_type_hints(cls.__init__)
    return {name: hints.get(name, Any) for name in inspect.signature(cls.__init__).parameters if name != "self"}


def _may_be_missing(cls: Any, part: str) -> bool:
    return inspect.signature(cls.__init__).parameters[part].default is not inspect.Parameter.empty


def _is_class(annotation: Any) -> bool:
    return isinstance(plain_class(annotation), type) and plain_class(annotation) not in (bool, int, float, str)


def plain_class(annotation: Any) -> Any:
    """Return the class in an annotation that may also be None."""
    kinds = [kind for kind in typing.get_args(annotation) if kind is not type(None)]
    return kinds[0] if kinds else annotation


def _load_part(annotation: Any, folder: Path, dtype: Any, source: Source, weights: Path | None) -> Any:
    """Return a network, tokenizer or guider from its folder."""
    import torch

    cls = plain_class(annotation)
    if not folder.is_dir():
        raise source.missing(folder)
    if weights is not None and gguf.is_gguf(weights):
        return gguf.load_transformer(cls, weights, folder, dtype, source)
    if weights is not None and single_file.is_inside(cls):
        return single_file.load_part(cls, weights, folder, dtype, source)
    if issubclass(cls, torch.nn.Module):
        stem = TRANSFORMERS_WEIGHTS if cls.__module__.startswith("transformers.") else DIFFUSERS_WEIGHTS
        return load_model(cls, folder, dtype, source, stem)
    if cls.__module__.startswith("transformers."):
        return _load_tokenizer(folder, source)
    config = folder / cls.config_name  # a guider's
    require_class(read_json(config, source), cls, config, source)
    with source.reading(config):
        return cls.from_pretrained(str(folder), local_files_only=True)


def _load_tokenizer(folder: Path, source: Source) -> Any:
    """Return the tokenizer that its configuration names, among those of transformers: they hold no code."""
    from transformers import AutoTokenizer

    read_json(folder / "tokenizer_config.json", source)
    if (folder / "config.json").is_file():  # transformers looks into it, too
        read_json(folder / "config.json", source)
    with source.reading(folder / "tokenizer_config.json"):
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)

"""Transformer and VAE from one file, as LTX-Video's distilled versions are published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from generation.domain.errors import RenderError
from workers.engines.files.single_file import build, read_weights
from workers.engines.files.source import Source

# How the names in such a file begin, and which function of diffusers translates them.
_TRANSLATED = {
    "AutoencoderKLLTXVideo": ("vae.", "convert_ltx_vae_checkpoint_to_diffusers"),
    "LTXVideoTransformer3DModel": ("model.diffusion_model.", "convert_ltx_transformer_checkpoint_to_diffusers"),
}


def is_inside(cls: Any) -> bool:
    """Return whether the networks of this class come in single files that we can read."""
    return cls.__name__ in _TRANSLATED


def load_part(cls: Any, file: Path, config: Path, dtype: Any, source: Source) -> Any:
    """Return a network from a single file, on the CPU.

    Args:
        config: the folder with its configuration.

    Raises:
        RenderError: "model-missing" or "model-corrupt"; "checkpoint-..." if it is not one for this configuration.
    """
    from diffusers.loaders import single_file_utils

    prefix, name = _TRANSLATED[cls.__name__]
    weights = read_weights(file, (prefix,), dtype, source)
    if not weights:
        raise RenderError("checkpoint-unknown", model=source.label, file=file.name)
    translate: Callable[[dict[str, Any]], dict[str, Any]] = getattr(single_file_utils, name)
    with source.reading(file):
        translated = translate(weights)
    return build(cls, config, translated, file, source)

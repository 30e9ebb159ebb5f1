"""Checkpoints and VAEs as people share them: one file with the weights alone, named as in Stable Diffusion's own code.

diffusers converts the names. It loads whatever matches and leaves the rest at random initial values; here, a file is
loaded as a whole or refused with the reason. The configuration comes from another folder, so nothing is fetched.
"""

from pathlib import Path
from typing import Any

from generation.domain.errors import RenderError
from workers.engines.animatediff import opening
from workers.engines.animatediff.opening import Networks, load_networks
from workers.engines.files.configs import read_json
from workers.engines.files.single_file import Weights, build, read_weights
from workers.engines.files.source import Source
from workers.engines.files.weights import load_model

_UNET = "model.diffusion_model."
_VAE = "first_stage_model."
_TEXT = "cond_stage_model.transformer."
# The parts of a VAE that decode and encode; checkpoints of training have a discriminator and averages as well.
_OF_VAE = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")


def load_pipeline(
    base: Path,
    weights: Path | None,
    adapter: Path,
    vae: Path | None,
    dtype: Any,
    source: Source,
    motion: Source,
    *,
    vae_config: Path | None = None,
) -> Any:
    """Return an `AnimateDiffPipeline` on the CPU, as `opening.load_pipeline` does, from folders or single files.

    Args:
        base: a folder in Stable Diffusion's layout; with `weights`, only its configuration and tokenizer are read.
        weights: a single-file checkpoint; None if the weights are in `base`.
        vae: folder or single file of a VAE that replaces the base's.
        vae_config: the folder of its configuration, if that is not the base's.

    Raises:
        RenderError: as `opening.load_pipeline`; "checkpoint-..." if a file is not one for this configuration.
    """
    if not base.is_dir():
        raise source.missing(base)
    decoder = _vae(vae, vae_config or base / "vae", dtype, source) if vae else None
    if weights is not None:
        networks = _of_checkpoint(weights, base, decoder, dtype, source)
    else:
        networks = load_networks(base, None, dtype, source, decoder)
    return opening.load_pipeline(base, adapter, None, dtype, source, motion, networks)


def _vae(path: Path, config: Path, dtype: Any, source: Source) -> Any:
    """Return a VAE from a folder or a single file."""
    from diffusers import AutoencoderKL

    if path.is_dir():
        return load_model(AutoencoderKL, path, dtype, source)
    weights = read_weights(path, (_VAE, *_OF_VAE), dtype, source)
    inside = {name.removeprefix(_VAE): tensor for name, tensor in weights.items()}
    return build(AutoencoderKL, config, _converted_vae(inside, config, source), path, source)


def _of_checkpoint(path: Path, base: Path, decoder: Any, dtype: Any, source: Source) -> Networks:
    """Return text encoder, VAE (`decoder` if given) and UNet of a single-file checkpoint."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    weights = read_weights(path, (_UNET, _TEXT, *(() if decoder else (_VAE,))), dtype, source)
    of_unet, of_text, of_vae = (
        {name.removeprefix(prefix): tensor for name, tensor in weights.items() if name.startswith(prefix)}
        for prefix in (_UNET, _TEXT, _VAE)
    )
    if not of_unet or not of_text:
        raise RenderError("checkpoint-unknown", model=source.label, file=path.name)
    if decoder is None and not of_vae:
        raise RenderError("checkpoint-without-vae", model=source.label, file=path.name)
    text_encoder = build(CLIPTextModel, base / "text_encoder", _converted_text(of_text), path, source)
    if decoder is None:
        config = base / "vae"
        decoder = build(AutoencoderKL, config, _converted_vae(of_vae, config, source), path, source)
    converted = _converted_unet(of_unet, base / "unet", source)
    return text_encoder, decoder, build(UNet2DConditionModel, base / "unet", converted, path, source)


def _converted_unet(weights: Weights, config: Path, source: Source) -> dict[str, Any]:
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    prefixed = {_UNET + name: tensor for name, tensor in weights.items()}
    return _checked(convert_ldm_unet_checkpoint, prefixed, config, source)


def _converted_vae(weights: Weights, config: Path, source: Source) -> dict[str, Any]:
    """Return a VAE's weights under diffusers' names, in which some files have them already."""
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    own = {name: tensor for name, tensor in weights.items() if name.startswith(_OF_VAE)}
    if any(name.startswith(("decoder.up_blocks.", "encoder.down_blocks.")) for name in own):
        return own
    return _checked(convert_ldm_vae_checkpoint, {_VAE + name: tensor for name, tensor in own.items()}, config, source)


def _checked(convert: Any, weights: Weights, config: Path, source: Source) -> dict[str, Any]:
    """Return what diffusers makes of `weights`, and whatever it does not know, so that this is noticed."""
    converted = dict(convert(weights, read_json(config / "config.json", source)))
    used = {id(tensor) for tensor in converted.values()}
    # Those of the VAE's attention are converted to matrices, which are other tensors.
    left = (name for name, tensor in weights.items() if id(tensor) not in used and ".attn_" not in name)
    return converted | {name: weights[name] for name in left}


def _converted_text(weights: Weights) -> dict[str, Any]:
    """Return CLIP's weights under transformers' names, which have no prefix any more, nor the positions in a row."""
    inside = {name.removeprefix("text_model."): tensor for name, tensor in weights.items()}
    return {name: tensor for name, tensor in inside.items() if not name.endswith("position_ids")}

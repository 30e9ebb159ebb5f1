"""Opening an AnimateDiff pipeline from folders in Stable Diffusion's layout."""

from pathlib import Path
from typing import Any

from workers.engines.animatediff.motion import join_motion, load_motion_adapter
from workers.engines.files.clip_tokenizer import load_tokenizer
from workers.engines.files.schedulers import make_scheduler
from workers.engines.files.source import Source
from workers.engines.files.weights import TRANSFORMERS_WEIGHTS, load_model
from workers.engines.importing import share_logging

Networks = tuple[Any, Any, Any]  # text encoder, VAE and UNet


def load_pipeline(
    base: Path,
    adapter: Path,
    vae: Path | None,
    dtype: Any,
    source: Source,
    motion: Source,
    networks: Networks | None = None,
) -> Any:
    """Return an `AnimateDiffPipeline` from local folders, on the CPU, with the base's own scheduler.

    Args:
        base: a folder in Stable Diffusion's layout: unet, vae, text_encoder, tokenizer, scheduler.
        adapter: a motion adapter's folder or bare weights file.
        vae: folder of a VAE that replaces the base's.
        networks: text encoder, VAE and UNet if they come from elsewhere (single_file.py).

    Raises:
        RenderError: "model-missing" or "model-corrupt", also if adapter and base don't fit together.
    """
    from diffusers import AnimateDiffPipeline

    share_logging()
    if not base.is_dir():
        raise source.missing(base)
    tokenizer = load_tokenizer(base / "tokenizer", source)
    text_encoder, decoder, unet = networks or load_networks(base, vae, dtype, source)
    motion_adapter = load_motion_adapter(adapter, dtype, motion)
    with motion.reading(adapter):
        joined = join_motion(unet, motion_adapter)
    pipeline = AnimateDiffPipeline(
        vae=decoder,
        text_encoder=text_encoder,
        tokenizer=tokenizer,
        unet=joined,
        motion_adapter=motion_adapter,
        scheduler=make_scheduler(None, base, source),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def load_networks(base: Path, vae: Path | None, dtype: Any, source: Source, decoder: Any = None) -> Networks:
    """Return text encoder, VAE and UNet from a folder in Stable Diffusion's layout, on the CPU.

    Args:
        vae: folder of a VAE that replaces the base's.
        decoder: the VAE if it is loaded already.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    share_logging()
    text_encoder = load_model(CLIPTextModel, base / "text_encoder", dtype, source, TRANSFORMERS_WEIGHTS)
    if decoder is None:
        decoder = load_model(AutoencoderKL, vae or base / "vae", dtype, source)
    return text_encoder, decoder, load_model(UNet2DConditionModel, base / "unet", dtype, source)

"""How the latents of each family lie in memory, and what their numbers mean to the decoder."""

from typing import Any

# Pipelines whose latents are [1, F, C, h, w]; all others that are not packed have channels before frames.
_FRAMES_FIRST = ("CogVideoXPipeline",)


def as_video(latents: Any, pipeline: Any, width: int, height: int, frames: int) -> Any:
    """Return latents as `[1, C, F, h, w]`, from whatever layout the pipeline denoises them in.

    Args:
        latents: `[1, C, F, h, w]`, `[1, F, C, h, w]`, or packed, `[1, tokens, C]`.
        width, height, frames: of the clip, in pixels and frames.
    """
    if latents.dim() == 3:  # LTX-Video
        space, time = pipeline.vae_spatial_compression_ratio, pipeline.vae_temporal_compression_ratio
        latents = pipeline._unpack_latents(
            latents,
            (frames - 1) // time + 1,
            height // space,
            width // space,
            pipeline.transformer_spatial_patch_size,
            pipeline.transformer_temporal_patch_size,
        )
    return latents.transpose(1, 2) if type(pipeline).__name__ in _FRAMES_FIRST else latents


def latent_volume(pipeline: Any, width: int, height: int, frames: int) -> int:
    """Return how many latent pixels a clip of pixels and frames has, all latent frames together."""
    space, time = (
        spatial_factor(pipeline),
        _factor(pipeline, "vae_scale_factor_temporal", "vae_temporal_compression_ratio"),
    )
    return ((frames - 1) // time + 1) * (height // space) * (width // space)


def spatial_factor(pipeline: Any) -> int:
    """Return how many pixels one latent pixel is wide and high."""
    return _factor(pipeline, "vae_scale_factor_spatial", "vae_spatial_compression_ratio")


def _factor(pipeline: Any, *names: str) -> int:
    """Return an attribute of a pipeline, which families name differently."""
    return int(next(value for name in names if (value := getattr(pipeline, name, 0))))


def statistics(vae: Any) -> tuple[Any, Any, float]:
    """Return (mean, deviation, scale), the first two float32 `[1, C, 1, 1, 1]`.

    Latents are (z - mean) * scale / deviation, where `z` is what the encoder returns. Some families keep mean and
    deviation in the decoder's configuration, LTX-Video in its buffers, and those that have neither scale alone.
    """
    import torch

    found = []
    for name, usual in (("latents_mean", 0.0), ("latents_std", 1.0)):
        value = vae.config.get(name)
        value = dict(vae.named_buffers()).get(name) if value is None else value
        tensor = torch.as_tensor(usual if value is None else value, dtype=torch.float32).cpu()
        found.append(tensor.reshape(1, -1, 1, 1, 1))
    return found[0], found[1], float(vae.config.get("scaling_factor") or 1.0)

"""The parts of a loaded pipeline: their sizes, where each is, and the precision that it computes in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workers.engines.loading import set_free_noise
from workers.engines.memory import Rung, join_inference, split_inference
from workers.engines.precision import dtype


def weight_bytes(*modules: Any) -> int:
    """Return the size of the weights and buffers of modules in bytes."""
    tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def weight_files(*paths: Path | None) -> Iterator[tuple[str, int]]:
    """Yield the names and sizes of the weights in folders or files: enough to tell models of one name apart."""
    for path in paths:
        if path is not None:
            found = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
            yield from ((file.name, file.stat().st_size) for file in found)


def least_bytes(pipeline: Any, rung: Rung) -> int:
    """Return what a memory mode needs on the card at the very least: all weights, or the largest part's."""
    sizes = [weight_bytes(module) for module in (pipeline.unet, pipeline.vae, pipeline.text_encoder)]
    return max(sizes) if rung.offload else sum(sizes)


def set_precision(pipeline: Any, part: str, precision: str) -> None:
    """Let the "network" (with its text encoder) or the "decoder" compute in another precision."""
    network = (pipeline.unet, pipeline.text_encoder, pipeline.motion_adapter)
    for module in (pipeline.vae,) if part == "decoder" else network:
        module.to(dtype(precision))


def arrange(pipeline: Any, window: tuple[int, int] | None, rung: Rung, device: str, offload: bool) -> None:
    """Set up FreeNoise with `window`, split inference, tiles and devices for a memory mode.

    With `offload`, each part comes to the device only while it computes.
    """
    pipeline.remove_all_hooks()
    join_inference(pipeline.unet)
    set_free_noise(pipeline, window)
    if rung.split:
        split_inference(pipeline.unet)
    pipeline.vae.use_tiling = rung.tile_vae
    if offload:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device, silence_dtype_warnings=True)

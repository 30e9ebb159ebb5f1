"""The parts of a loaded pipeline: their sizes, where each is, and the precision that it computes in."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workers.engines.diffusion import held_weights
from workers.engines.diffusion.free_noise import set_free_noise
from workers.engines.diffusion.guidance import guide_at_once, guide_in_two_passes
from workers.engines.memory import Rung, join_inference, set_tiles, split_inference
from workers.engines.precision import DECODER, dtype


def weight_bytes(*modules: Any) -> int:
    """Return the size of the weights and buffers of modules in bytes, as loaded, wherever they are kept."""
    tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
    return sum(tensor.nbytes for tensor in tensors) + sum(held_weights.saved_bytes(module) for module in modules)


def networks_of(pipeline: Any) -> list[Any]:
    """Return the parts of a pipeline that have weights: what denoises, decodes, and encodes text.

    The adapter of an AnimateDiff pipeline has none of its own left.
    """
    import torch

    parts = pipeline.components.items()
    return [part for name, part in parts if isinstance(part, torch.nn.Module) and name != "motion_adapter"]


def denoisers(pipeline: Any) -> list[Any]:
    """Return the networks that denoise: a UNet, or one or two transformers."""
    found = (getattr(pipeline, name, None) for name in ("unet", "transformer", "transformer_2"))
    return [network for network in found if network is not None]


def weight_files(*paths: Path | None) -> Iterator[tuple[str, int]]:
    """Yield the names and sizes of the weights in folders or files: enough to tell models of one name apart."""
    for path in paths:
        if path is not None:
            found = [path] if path.is_file() else sorted(path.rglob("*.safetensors"))
            yield from ((file.name, file.stat().st_size) for file in found)


def least_bytes(pipeline: Any, rung: Rung) -> int:
    """Return what a memory mode needs on the card at the very least: all weights, or the largest part's."""
    networks = denoisers(pipeline)
    network = sum(weight_bytes(module) for module in networks)
    others = [weight_bytes(module) for module in networks_of(pipeline) if all(module is not one for one in networks)]
    if rung.away:
        network = 0
    elif rung.eight_bits:
        network //= networks[0].dtype.itemsize
    return max(network, *others) if rung.offload else network + sum(others)


def set_precision(pipeline: Any, part: str, precision: str) -> None:
    """Let the network (with its text encoder) or the decoder compute in another precision."""
    network = (pipeline.unet, pipeline.text_encoder, pipeline.motion_adapter)
    for module in (pipeline.vae,) if part == DECODER else network:
        module.to(dtype(precision))


def make_plain(pipeline: Any) -> None:
    """Undo `arrange`, except for FreeNoise, tiles, and where the weights are."""
    pipeline.remove_all_hooks()
    guide_at_once(pipeline.unet)
    held_weights.put_back(pipeline.unet)
    join_inference(pipeline.unet)


def arrange(pipeline: Any, window: tuple[int, int] | None, rung: Rung, device: str, offload: bool) -> None:
    """Set up FreeNoise with `window`, everything that a memory mode asks for, and devices.

    With `offload`, each part comes to the device only while it computes.
    """
    make_plain(pipeline)
    set_free_noise(pipeline, window)
    if rung.split:
        split_inference(pipeline.unet)
    if rung.two_passes:
        guide_in_two_passes(pipeline.unet)
    if rung.away:
        held_weights.keep_away(pipeline.unet, device)
    if rung.eight_bits:
        held_weights.keep_in_eight_bits(pipeline.unet, device)
    set_tiles(pipeline.vae, rung.tile_vae)
    if offload:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device, silence_dtype_warnings=True)

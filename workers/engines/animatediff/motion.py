"""Motion adapters: read from their files, joined with a base model's UNet, and swapped for another."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workers.engines.files.motion_layouts import in_names_of_diffusers
from workers.engines.files.source import Source
from workers.engines.files.weights import align, load_model


def load_motion_adapter(path: Path, dtype: Any, source: Source) -> Any:
    """Return a `MotionAdapter` from a diffusers folder or, if `path` is a file, from weights without configuration."""
    from diffusers import MotionAdapter

    if path.is_dir():
        return load_model(MotionAdapter, path, dtype, source)
    if not path.is_file():
        raise source.missing(path)
    import torch
    from safetensors.torch import load_file

    with source.reading(path):
        weights = {name: tensor.to(dtype) for name, tensor in in_names_of_diffusers(load_file(path)).items()}
        with torch.device("meta"):
            adapter = MotionAdapter(**motion_adapter_config(weights))
        adapter.load_state_dict(weights, strict=True, assign=True)
    return align(adapter.eval())


def motion_adapter_config(weights: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `MotionAdapter` arguments for these weights (AnimateDiff-Lightning's files have no config).

    Only what differs between files is inferred: widths, context length, layers, and whether there is a middle block.
    For the published files, the result equals `MotionAdapter()`'s defaults.

    Raises:
        KeyError: not the weights of a motion adapter.
    """

    def count(prefix: str) -> int:
        return len({name[len(prefix) :].split(".")[0] for name in weights if name.startswith(prefix)})

    blocks = range(count("down_blocks."))
    first = "motion_modules.0.transformer_blocks.0"
    layers = tuple(count(f"down_blocks.{i}.motion_modules.") for i in blocks)
    return {
        "block_out_channels": tuple(weights[f"down_blocks.{i}.motion_modules.0.norm.weight"].shape[0] for i in blocks),
        # A single number where possible: diffusers' LoRA weighting adds to it, which fails on a tuple.
        "motion_layers_per_block": layers[0] if len(set(layers)) == 1 else layers,
        "motion_max_seq_length": weights[f"down_blocks.0.{first}.pos_embed.pe"].shape[1],
        "use_motion_mid_block": any(name.startswith("mid_block.") for name in weights),
    }


def join_motion(unet: Any, adapter: Any, weights: Mapping[str, Any] | None = None) -> Any:
    """Return the `UNetMotionModel` of an SD UNet and a motion adapter, sharing their weights instead of copying them.

    `UNetMotionModel.from_unet2d` initializes the 1.3 billion parameters of SD 1.5 with v1-5-2 at random, in float32,
    before copying the real ones over; here the model is built on the meta device and takes over the loaded tensors. The
    adapter loses its layers to the returned model.

    Args:
        weights: the UNet's, if `unet` has only its configuration (on the meta device).
    """
    import torch
    from diffusers import UNetMotionModel

    weights = unet.state_dict() if weights is None else weights
    motion = adapter.state_dict()  # now: `from_unet2d` moves the adapter to the UNet's device
    with torch.device("meta"):
        model = UNetMotionModel.from_unet2d(unet, adapter, load_weights=False)
    model.load_state_dict({**weights, **motion}, strict=True, assign=True)
    model.spatial_config = unet.config  # for `swap_motion`
    # The pipeline needs only the adapter's configuration; its weights would occupy GPU memory twice.
    adapter.down_blocks, adapter.mid_block, adapter.up_blocks = torch.nn.ModuleList(), None, torch.nn.ModuleList()
    dtype = next(iter(weights.values())).dtype
    adapter.placeholder = torch.nn.Parameter(torch.zeros(1, dtype=dtype))  # without parameters, no dtype
    return model.requires_grad_(False).eval()


def swap_motion(pipeline: Any, path: Path, motion: Source) -> None:
    """Give a pipeline from `load_pipeline` another motion adapter; the weights of the base stay where they are.

    The pipeline must be plain: no LoRAs, hooks, FreeNoise or split inference. The new adapter is read before the old
    one goes, so that the pipeline stays as it is if that fails.

    Args:
        path: the new adapter's folder or bare weights file.

    Raises:
        RenderError: "model-missing" or "model-corrupt", naming the adapter, also if it doesn't fit the base.
    """
    import torch
    from diffusers import UNet2DConditionModel

    old = pipeline.unet
    adapter = load_motion_adapter(path, old.dtype, motion)
    with torch.device("meta"):
        spatial = UNet2DConditionModel.from_config(old.spatial_config)
    names = spatial.state_dict().keys()
    weights = {name: weight for name, weight in old.state_dict().items() if name in names}
    with motion.reading(path):
        joined = join_motion(spatial, adapter, weights)
    pipeline.register_modules(unet=joined, motion_adapter=adapter)

"""Ways to use less GPU memory: ever more economical modes (walked by ladder.py), and split inference."""

import gc
from dataclasses import dataclass
from typing import Any

from workers.engines import devices

# diffusers' defaults for split inference; its PR 9231 measured a drop from 25.2 GB to 12-14 GB for 128 frames.
SPATIAL_SPLIT = 256
TEMPORAL_SPLIT = 16

_limit: int | None = None


@dataclass(frozen=True)
class Rung:
    """One memory mode: frames decoded at once, and other savings.

    `offload` keeps only the active network on the GPU; `split` runs the UNet's blocks on part of the frames and pixels
    at a time; `tile_vae` decodes large frames in tiles.
    """

    name: str
    decode_frames: int
    offload: bool = False
    split: bool = False
    tile_vae: bool = False


LADDER = (
    Rung("full", decode_frames=4),
    Rung("sliced-vae", decode_frames=1),
    Rung("offload", decode_frames=1, offload=True),
    Rung("split", decode_frames=1, offload=True, split=True, tile_vae=True),
)


def rung_index(name: str) -> int:
    """Return the index of `name` on the ladder; "auto" is the top.

    Raises:
        ValueError: no such mode.
    """
    names = ["auto", *(rung.name for rung in LADDER)]
    if name not in names:
        raise ValueError(f"memory mode {name!r} is none of {', '.join(names)}")
    return max(0, names.index(name) - 1)


def free_memory() -> None:
    """Release unreferenced memory, in Python and on the GPU."""
    gc.collect()
    free_cache()


def free_cache() -> None:
    """Give back to the card's other users what torch keeps for later and holds nothing in."""
    devices.empty_cache()


def limit_room(size: int | None) -> None:
    """Set the bytes that this process may fill of a card that it shares; None for no limit."""
    global _limit
    _limit = size


def room(device: str) -> int | None:
    """Return the bytes of a card that this process may fill: what is free, and what torch holds here already.

    No more than `limit_room` allows. None if `device` is no card, or torch cannot tell.
    """
    there = devices.room(device)
    return there if there is None or _limit is None else min(there, _limit)


def split_inference(unet: Any, spatial: int = SPATIAL_SPLIT, temporal: int = TEMPORAL_SPLIT) -> None:
    """Make a `UNetMotionModel` run its blocks on at most `spatial` pixels or `temporal` frames at a time.

    Like diffusers' `enable_free_noise_split_inference`, but reversible (`join_inference`). A middle block without
    motion modules (as in adapters that have none there) calls its layers by position, which cannot be split, and is
    left alone; diffusers' own function breaks on it.
    """
    from diffusers.pipelines.free_noise_utils import SplitInferenceModule

    def wrap(modules: Any, name: str, size: int, inputs: list[str]) -> None:
        module = getattr(modules, name)
        if not isinstance(module, SplitInferenceModule):
            setattr(modules, name, SplitInferenceModule(module, size, 0, inputs))

    def wrap_all(modules: Any, size: int, inputs: list[str]) -> None:
        for name in [name for name, _ in (modules.named_children() if modules is not None else ())]:
            wrap(modules, name, size, inputs)

    for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        if getattr(block, "motion_modules", None) is None:
            continue
        for motion in block.motion_modules:
            wrap(motion, "proj_in", spatial, ["input"])
            wrap_all(motion.transformer_blocks, spatial, ["hidden_states", "encoder_hidden_states"])
            wrap(motion, "proj_out", spatial, ["input"])
        wrap_all(getattr(block, "attentions", None), temporal, ["hidden_states", "encoder_hidden_states"])
        wrap_all(block.resnets, temporal, ["input_tensor", "temb"])
        wrap_all(getattr(block, "downsamplers", None), temporal, ["hidden_states"])
        wrap_all(getattr(block, "upsamplers", None), temporal, ["hidden_states"])


def join_inference(unet: Any) -> None:
    """Undo `split_inference`."""
    from diffusers.pipelines.free_noise_utils import SplitInferenceModule

    for parent in list(unet.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SplitInferenceModule):
                setattr(parent, name, child.module)

"""Ways to use less GPU memory: ever more economical modes (walked by ladder.py), and split inference."""

import gc
from dataclasses import dataclass
from typing import Any

from generation.catalogue import card_memory
from workers.engines import devices

# Pixels of the latent, and frames, that are computed at a time: pieces of one size at 512x512. diffusers' own numbers,
# 256 and 16, are for batches of two clips. With guidance in two passes they would split nothing but the motion modules
# of a clip of 16 frames.
SPATIAL_SPLIT = 1024
TEMPORAL_SPLIT = 4

# Frames are decoded in tiles only where they are larger than one, and a tile is never so small that the decoder, whose
# normalization and attention see one tile, makes another picture of it. diffusers goes by the size that the decoder was
# trained on: nothing at 512 pixels, and tiles of 64 with the bundled model.
TILE = 384  # pixels
TILE_OVERLAP = 1 / 3

_limit: int | None = None


@dataclass(frozen=True)
class Rung:
    """One memory mode: frames decoded at once, and other savings.

    `offload` keeps only the active network on the GPU; `two_passes` guides in two passes; `split` runs the UNet's
    blocks on part of the frames and pixels at a time; `away` keeps all but the active block in main memory.
    `eight_bits` keeps their weights in 8 bits, and `tile_vae` decodes large frames in tiles: these change the clip.
    """

    name: str
    decode_frames: int
    offload: bool = False
    two_passes: bool = False
    split: bool = False
    away: bool = False
    eight_bits: bool = False
    tile_vae: bool = False

    @property
    def is_exact(self) -> bool:
        """Return whether clips are those of the first mode, but for the order of summation."""
        return not (self.eight_bits or self.tile_vae)


# By speed as calculated (generation/catalogue/card_memory.toml), the fastest first.
LADDER = (
    Rung("full", decode_frames=4),
    Rung("sliced-vae", decode_frames=1),
    Rung("offload", decode_frames=1, offload=True),
    Rung("two-passes", decode_frames=1, offload=True, two_passes=True),
    Rung("split", decode_frames=1, offload=True, two_passes=True, split=True),
    Rung("8-bit", decode_frames=1, offload=True, two_passes=True, split=True, eight_bits=True),
    Rung("blocks", decode_frames=1, offload=True, two_passes=True, split=True, away=True),
    Rung("tiles", decode_frames=1, offload=True, two_passes=True, split=True, away=True, tile_vae=True),
)


def allowed(inexact: str) -> tuple[Rung, ...]:
    """Return the rungs that a site allows, in the order in which they are tried; `inexact` is one of `INEXACT`."""
    return card_memory.allowed(LADDER, inexact)


def rung_index(name: str, rungs: tuple[Rung, ...] = LADDER) -> int:
    """Return the index of `name` among `rungs`; "auto" is the top.

    Raises:
        ValueError: no such mode.
    """
    names = ["auto", *(rung.name for rung in rungs)]
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


def set_tiles(vae: Any, wanted: bool) -> None:
    """Let an `AutoencoderKL` decode frames larger than a tile in overlapping tiles, or not."""
    factor = 2 ** (len(vae.config.block_out_channels) - 1)
    vae.use_tiling = wanted
    vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // factor
    vae.tile_overlap_factor = TILE_OVERLAP


def join_inference(unet: Any) -> None:
    """Undo `split_inference`."""
    from diffusers.pipelines.free_noise_utils import SplitInferenceModule

    for parent in list(unet.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SplitInferenceModule):
                setattr(parent, name, child.module)

"""Fallbacks for low GPU memory: a ladder of ever more economical modes, descended on out-of-memory errors.

The rung that a model needed for a size is remembered, so that the next clip of that size starts there instead of
failing first.
"""

import gc
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from auravideo.core.metrics.declared import OUT_OF_MEMORY
from generation.domain.errors import RenderError

logger = logging.getLogger(__name__)

T = TypeVar("T")

# diffusers' defaults for split inference; its PR 9231 measured a drop from 25.2 GB to 12-14 GB for 128 frames.
SPATIAL_SPLIT = 256
TEMPORAL_SPLIT = 16


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


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether `error` means that memory ran out: on the GPU, in a CUDA library, or on the CPU."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    signs = ("out of memory", "_status_alloc_failed", "can't allocate memory", "_status_not_initialized when calling")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def free_memory() -> None:
    """Release unreferenced memory, in Python and on the GPU."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


@dataclass
class Ladder:
    """Remembers, per process, the rung that worked for each (model, width, height, frames)."""

    fitted: dict[tuple[str, int, int, int], int] = field(default_factory=dict)

    def start(self, model: str, width: int, height: int, frames: int) -> int:
        """Return the first rung to try: one known to fit, or needed by a clip no larger; otherwise the top."""
        known = self.fitted.get((model, width, height, frames))
        if known is not None:
            return known
        volume = width * height * frames
        smaller = [rung for (name, w, h, f), rung in self.fitted.items() if name == model and w * h * f <= volume]
        return max(smaller, default=0)

    def run(
        self,
        attempt: Callable[[Rung], T],
        *,
        model: str,
        width: int,
        height: int,
        frames: int,
        first: int = 0,
        between: Callable[[], None] = free_memory,
    ) -> T:
        """Call `attempt(rung)` on successive rungs from `start` (at least `first`) until one fits in memory.

        `between` is called after each failure, once the traceback and the objects it held are gone.

        Raises:
            RenderError: "out-of-memory" if the last rung failed too. All other exceptions propagate.
        """
        begin = max(first, self.start(model, width, height, frames))
        for index in range(begin, len(LADDER)):
            rung = LADDER[index]
            try:
                result = attempt(rung)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                failure = str(error).splitlines()[0] if str(error) else type(error).__name__
            else:
                self.fitted[model, width, height, frames] = index
                return result
            between()
            OUT_OF_MEMORY.labels(engine="text-to-video").inc()
            logger.warning(
                "%s: out of memory at %dx%d, %d frames, mode %s: %s", model, width, height, frames, rung.name, failure
            )
        raise RenderError("out-of-memory", model=model)


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

"""Running on small cards: a ladder of ever more economical modes, walked down when memory runs out.

Which rung a model needed for a size is remembered, so that the next clip of that size starts there and does not fail
first.
"""

import gc
import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from generation.domain.errors import RenderError

logger = logging.getLogger(__name__)

T = TypeVar("T")

# diffusers' defaults for split inference; its pull request 9231 measured 25.2 GB going down to 12-14 GB for 128 frames.
SPATIAL_SPLIT = 256
TEMPORAL_SPLIT = 16


@dataclass(frozen=True)
class Rung:
    """One mode: how many frames are decoded at once, and what else is done to need less memory.

    `offload` keeps only the network that is at work on the card; `split` runs the UNet's blocks on a part of the frames
    and pixels at a time; `tile_vae` decodes a large frame in tiles.
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
    """Where `name` stands on the ladder; "auto" is the top.

    Raises:
        ValueError: there is no such mode.
    """
    names = ["auto", *(rung.name for rung in LADDER)]
    if name not in names:
        raise ValueError(f"memory mode {name!r} is none of {', '.join(names)}")
    return max(0, names.index(name) - 1)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether `error` says that memory ran out: on the card, in one of CUDA's libraries, or on the processor."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    signs = ("out of memory", "_status_alloc_failed", "can't allocate memory", "_status_not_initialized when calling")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def free_memory() -> None:
    """Gives back what is no longer referenced, to the machine and to the card."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


@dataclass
class Ladder:
    """Remembers, for one process, the rung on which each (model, width, height, frames) fitted."""

    fitted: dict[tuple[str, int, int, int], int] = field(default_factory=dict)

    def start(self, model: str, width: int, height: int, frames: int) -> int:
        """The rung to begin with: the one that fitted before, or that a clip no larger needed; else the first."""
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
        """`attempt(rung)` on the first rung from `start` (at least `first`) whose memory suffices.

        `between` is called after each failure, when the traceback and what it held are gone.

        Raises:
            RenderError: "out-of-memory", when the last rung failed too. Every other exception passes.
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
            logger.warning(
                "%s: out of memory at %dx%d, %d frames, mode %s: %s", model, width, height, frames, rung.name, failure
            )
        raise RenderError("out-of-memory", model=model)


def split_inference(unet: Any, spatial: int = SPATIAL_SPLIT, temporal: int = TEMPORAL_SPLIT) -> None:
    """Makes a `UNetMotionModel` run its blocks on at most `spatial` pixels or `temporal` frames at a time.

    Does what diffusers' `enable_free_noise_split_inference` does, and can be undone (`join_inference`). A middle block
    without motion modules (as with the adapters that have none there) calls its layers by position, which cannot be
    split, and is left alone; diffusers' own function breaks on it.
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
    """Undoes `split_inference`."""
    from diffusers.pipelines.free_noise_utils import SplitInferenceModule

    for parent in list(unet.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, SplitInferenceModule):
                setattr(parent, name, child.module)

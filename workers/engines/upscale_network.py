"""One upscaling checkpoint on one device: loading, batch sizes and tiling.

spandrel unpickles nothing but tensors, so an untrusted `.pth` cannot run code here.
"""

import itertools
import logging
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from workers.engines import devices
from workers.engines.devices import FLOAT16, FLOAT32
from workers.engines.precision import Precisions, dtype, precisions

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

UPSCALING = "upscaling"  # the part of the model, in Precisions
SUFFIXES = (".safetensors", ".pth")
MOST_FRAMES = 16
# Larger batches are no faster, and some cuDNN kernels can't handle tensors of over 2**31 elements.
MOST_BYTES = 8 * 2**30
# Share of free memory to use; the rest is for convolution workspaces and other processes.
MEMORY_SHARE = 0.6
# Per batch on the CPU: 6 frames of 64x64, 2 of 96x96, one from 128x128 on. Larger ones don't fit the caches and take
# longer than their frames one by one (`python -m scripts.bench_engines.batches real-esrgan` repeats the measurement). A
# fixed number, because a batch of another size may change a color by one: the same seed must give the same clip.
PROCESSOR_PIXELS = 6 * 64 * 64
# Core sizes of tiles in input pixels, multiples of 4 for networks that begin with a pixel unshuffle.
TILES = (1024, 512, 256, 128, 64, 32)
# Pixels added around the frame, so that the networks' zero padding does not darken its edges.
EDGE = 8
# The most context of a tile, in the pixels that a network's layers see. Deep networks see further, but hardly depend on
# it: docs/performance.md, "Upscalers". Real-ESRGAN's own script takes 10 (`--tile_pad`).
MOST_CONTEXT = 48
# RRDBNet: layers of 3x3 in a block, and around the blocks, where the last ones see a fraction of a pixel each.
RRDB_LAYERS, RRDB_OTHERS = 15, 4
# Side, in pixels, of the trial image that measures a checkpoint's memory use per pixel.
TRIAL_SIDE = 16
# A picture counts as black if all of it is below the first, and as not black if some of it is above the second.
BLACK, NOT_BLACK = 0.5 / 255, 8 / 255


@dataclass(frozen=True)
class Mode:
    """Frames per batch, and the core size of tiles (None: whole frames)."""

    batch: int
    tile: int | None = None

    def __str__(self) -> str:
        return f"batches of {self.batch}" if self.tile is None else f"tiles of {self.tile}"

    def cheaper(self, height: int, width: int) -> "Mode | None":
        """Return the next more economical mode for frames of this size; None after the last."""
        if self.batch > 1:
            return Mode(self.batch // 2, self.tile)
        present = self.tile or max(height, width)
        return next((Mode(1, tile) for tile in TILES if tile < present), None)


class Network:
    """One checkpoint on one device.

    Raises:
        Exception: one of `load_errors()` if the file is damaged, unsafe, or not an RGB network of this scale.
    """

    def __init__(self, path: Path, scale: int, device: str, precision: str, found: Precisions = precisions) -> None:
        import torch
        from spandrel import ImageModelDescriptor, ModelLoader

        if path.suffix not in SUFFIXES:
            raise ValueError(f"{path.name} is none of {', '.join(SUFFIXES)}")
        descriptor = ModelLoader(device="cpu").load_from_file(path)
        shape = (descriptor.scale, descriptor.input_channels, descriptor.output_channels)
        if not isinstance(descriptor, ImageModelDescriptor) or shape != (scale, 3, 3):
            raise ValueError(f"scale, channels in and out are {shape}, not {(scale, 3, 3)}")
        if not all(torch.isfinite(weight).all() for weight in descriptor.model.state_dict().values()):
            raise ValueError("there are weights that are not finite")
        self.scale, self.device = scale, torch.device(device)
        self._descriptor: Any = descriptor.eval()
        self._name, self._found = path.name, found
        self.dtype = self._choose_dtype(precision)
        self.context = max(EDGE, math.ceil(_context(descriptor) / 4) * 4)
        self._to(self.dtype)
        self._pixel_bytes, self.pixel_operations = self._measure_pixel()

    def __str__(self) -> str:
        name = " ".join((self._descriptor.architecture.name, *self._descriptor.tags))
        return f"{name}, x{self.scale}, {str(self.dtype).removeprefix('torch.')} on {self.device}"

    @property
    def is_widened(self) -> bool:
        """Return whether it computes in float32 because float16 went wrong on this card."""
        return self._found.get(devices.name(str(self.device)), self._name, UPSCALING, FLOAT16) == FLOAT32

    @property
    def weight_bytes(self) -> int:
        """Return the size of the weights in bytes."""
        return sum(weight.nbytes for weight in self._descriptor.model.state_dict().values())

    def first_mode(self, height: int, width: int) -> Mode:
        """Return the mode to start with: the largest that is worthwhile and is estimated to fit in memory."""
        room = min(MOST_BYTES, int(MEMORY_SHARE * devices.free(str(self.device))))
        fitting = room // self._pixel_bytes
        tile = None
        if fitting < (height + 2 * EDGE) * (width + 2 * EDGE):
            sides = [tile for tile in TILES if tile < max(height, width)]
            tile = next(
                (side for side in sides if (side + 2 * self.context) ** 2 <= fitting), sides[-1] if sides else None
            )
        if tile is not None:
            logger.info("Network x%d at %dx%d: tiles of %d, memory is short", self.scale, width, height, tile)
            return Mode(1, tile)
        if self.device.type == "cpu":
            fitting = min(fitting, PROCESSOR_PIXELS)
        return Mode(max(1, min(MOST_FRAMES, fitting // (height * width))))

    def enlarge(self, frames: np.ndarray, tile: int | None, reduce: int = 1) -> np.ndarray:
        """Enlarge uint8 [N, H, W, 3] to uint8 [N, H * scale / reduce, W * scale / reduce, 3], optionally in tiles."""
        import torch

        height, width = frames.shape[1:3]
        with torch.inference_mode():
            small = self._to_device(frames)
            factor = self.scale // reduce
            large = torch.empty((len(frames), height * factor, width * factor, 3), dtype=torch.uint8)
            side = tile or max(height, width)
            for top, left in itertools.product(range(0, height, side), range(0, width, side)):
                bottom, right = min(top + side, height), min(left + side, width)
                part = self._enlarge_part(small, (top, bottom), (left, right), reduce)
                large[:, top * factor : bottom * factor, left * factor : right * factor] = part
        return large.numpy()

    def _enlarge_part(
        self, small: "torch.Tensor", rows: tuple[int, int], columns: tuple[int, int], reduce: int
    ) -> "torch.Tensor":
        """Enlarge part of the frames (bounds in input pixels): uint8 [N, h, w, 3] on the device.

        The part is computed with all the context it can depend on, which is then cropped: no seams.
        """
        import torch

        (upper, lower), (first, last) = (
            (max(0, start + EDGE - self.context), min(length, stop + EDGE + self.context))
            for (start, stop), length in zip((rows, columns), small.shape[2:], strict=True)
        )
        large = self._run(small[:, :, upper:lower, first:last])
        top, left = ((start + EDGE - cut) * self.scale for start, cut in ((rows[0], upper), (columns[0], first)))
        height, width = ((stop - start) * self.scale for start, stop in (rows, columns))
        large = large[:, :, top : top + height, left : left + width]
        if reduce > 1:
            large = torch.nn.functional.avg_pool2d(large, reduce)
        # Round on the device: a quarter of float32's bytes to copy, half of float16's.
        return large.float().mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()

    def _run(self, window: "torch.Tensor") -> "torch.Tensor":
        """Run the network on one window, in 0..1; fall back to float32, for good, if float16 goes wrong.

        Some GPUs compute float16 convolutions wrongly: the GTX 16 series returns black or NaN frames.
        """
        import torch

        window = window.contiguous(memory_format=devices.convolution_layout(str(self.device)))
        large = self._descriptor(window.to(self.dtype))
        if self.dtype != torch.float16 or not (wrong := _what_is_wrong(window, large)):
            return large
        self._to(torch.float32)
        full = self._descriptor(window.to(self.dtype))
        if wrong == _what_is_wrong(window, full):  # so it is not the precision
            self._to(torch.float16)
            return large
        logger.warning("Network x%d: float16 is %s on %s, going on in float32", self.scale, wrong, self.device)
        self._found.remember(devices.name(str(self.device)), self._name, UPSCALING, FLOAT32)
        return full

    def _to_device(self, frames: np.ndarray) -> "torch.Tensor":
        """Return frames as network input, extended beyond the edges: [N, 3, H + 2 EDGE, W + 2 EDGE] in 0..1."""
        import torch

        small = torch.from_numpy(np.array(frames)).to(self.device).permute(0, 3, 1, 2).to(self.dtype).div_(255)
        return continue_edges(small, EDGE)

    def _choose_dtype(self, precision: str) -> "torch.dtype":
        import torch

        if precision != "auto":
            return {"float16": torch.float16, "float32": torch.float32}[precision]
        if not devices.half_gains(str(self.device)) or not self._descriptor.supports_half:
            return torch.float32
        return dtype(self._found.get(devices.name(str(self.device)), self._name, UPSCALING, FLOAT16))

    def _to(self, dtype: "torch.dtype") -> None:

        self.dtype = dtype
        layout = devices.convolution_layout(str(self.device))
        self._descriptor.model.to(device=self.device, dtype=dtype, memory_format=layout)

    def _measure_pixel(self) -> tuple[int, float]:
        """Return the working memory in bytes and the operations that an input pixel takes.

        The memory is twice the most that one layer reads and writes, because dense blocks and skip connections keep
        earlier features while a layer works. Operations and not seconds, because every worker has to come to the same
        passes: chunks of one clip must not differ.
        """
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        most = 0

        def look(module: Any, inputs: tuple, output: Any) -> None:
            nonlocal most
            tensors = [value for value in (*inputs, output) if isinstance(value, torch.Tensor)]
            most = max(most, sum(tensor.nbytes for tensor in tensors))

        leaves = [module for module in self._descriptor.model.modules() if not any(module.children())]
        hooks = [module.register_forward_hook(look) for module in leaves]
        with FlopCounterMode(display=False) as counter:
            self._descriptor(torch.zeros((1, 3, TRIAL_SIDE, TRIAL_SIDE), dtype=self.dtype, device=self.device))
        for hook in hooks:
            hook.remove()
        return 2 * max(1, most // TRIAL_SIDE**2), counter.get_total_flops() / TRIAL_SIDE**2


def continue_edges(pictures: "torch.Tensor", margin: int) -> "torch.Tensor":
    """Pad images [N, C, H, W] in 0..1 by `margin` pixels on all sides, by point reflection through the edge value.

    This continues gradients. Repeating or mirroring the edge, as Real-ESRGAN's script does, leaves a kink there, which
    a sharpening network amplifies: on smooth images that cost 2 to 4 dB over the whole frame.
    """
    import torch

    for dim in (2, 3):
        length = pictures.shape[dim]
        steps = torch.arange(1, margin + 1, device=pictures.device).clamp(max=length - 1)
        first, last = pictures.narrow(dim, 0, 1), pictures.narrow(dim, length - 1, 1)
        before = 2 * first - pictures.index_select(dim, steps.flip(0))
        after = 2 * last - pictures.index_select(dim, length - 1 - steps)
        pictures = torch.cat([before, pictures, after], dim)
    return pictures.clamp_(0, 1)


def _what_is_wrong(small: "torch.Tensor", large: "torch.Tensor") -> str:
    """Return what is wrong with an enlarged picture: "not finite" or "black" although the small one is not; or ""."""
    import torch

    low, high = torch.aminmax(large)
    if not (torch.isfinite(low) and torch.isfinite(high)):
        return "not finite"
    return "black" if high < BLACK and small.amax() > NOT_BLACK else ""


def _context(descriptor: Any) -> int:
    """Return how much context a tile needs, in input pixels: as far as the network sees, up to `MOST_CONTEXT`."""
    import torch

    kind = descriptor.architecture.id
    if kind == "Compact":
        convolutions = [module for module in descriptor.model.modules() if isinstance(module, torch.nn.Conv2d)]
        return min(MOST_CONTEXT, sum(convolution.kernel_size[0] // 2 for convolution in convolutions))
    if kind == "ESRGAN":
        asked = descriptor.model.hyperparameters
        radius = RRDB_LAYERS * asked["num_blocks"] + RRDB_OTHERS
        return min(MOST_CONTEXT, radius) * (asked["shuffle_factor"] or 1)  # whose layers see several pixels as one
    return MOST_CONTEXT


def load_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions spandrel, safetensors and torch raise for damaged, unsafe or unknown networks."""
    from safetensors import SafetensorError
    from spandrel import UnsupportedModelError

    builtin = (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, AssertionError)
    return (*builtin, pickle.UnpicklingError, SafetensorError, UnsupportedModelError)

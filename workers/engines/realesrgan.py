"""Upscaling with Real-ESRGAN: any checkpoint spandrel reads, mainly RRDBNet and compact ones.

Frames run in batches; if memory runs short, in smaller batches, then in tiles, then in smaller tiles.
"""

import itertools
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from auravideo.commands import FETCH_MODELS
from auravideo.core.metrics.declared import OUT_OF_MEMORY
from generation.domain.errors import RenderError
from workers.engines import devices, registry
from workers.engines.base import OnStep
from workers.engines.device_errors import Fault, fault_of, is_out_of_memory
from workers.engines.ladder import MORE_ROOM
from workers.engines.memory import free_memory, room
from workers.engines.precision import Precisions, precisions
from workers.engines.upscale_network import Mode, Network, load_errors

logger = logging.getLogger(__name__)

MOST_PASSES = 3
PATIENCE = 32  # chunks in a more economical mode before a larger one is tried again


class RealEsrganEngine:
    """Enlarges frames by 2, 4 or 8.

    Args:
        paths: the checkpoint of each scale, such as `{4: ..., 2: ...}`. A factor without its own checkpoint is
            reached in several passes (8 is 4 then 2), or by enlarging further and averaging (2 from 4).
        device: "auto", or what devices.py calls "cuda", "xpu", "mps" or "cpu".
        precision: "float16", "float32" or "auto": float16 where the GPU benefits.
        label: the model's name in errors.
        command: the download command to name in errors.
        found: remembers the precisions that work; by default one per process.
    """

    def __init__(
        self,
        paths: Mapping[int, Path],
        device: str = "auto",
        *,
        precision: str = "auto",
        label: str = "Real-ESRGAN",
        command: str = FETCH_MODELS,
        found: Precisions = precisions,
    ) -> None:
        self._paths = {scale: Path(path) for scale, path in paths.items()}
        self._device, self._precision = device, precision
        self._label, self._command, self._found = label, command, found
        self._networks: dict[int, Network] = {}
        self._plans: dict[int, Passes] = {}
        self._costs: dict[int, float] = {}
        self._short: dict[tuple[int, int, int], Shortage] = {}

    def load(self, factor: int | None = None) -> None:
        """Load the checkpoints needed for `factor`, or all there are.

        Raises:
            RenderError: "model-missing" if no checkpoint reaches the factor, "model-corrupt" if one is unusable,
                "out-of-memory" if the device has no room for it.
        """
        scales = self._plan(factor).scales if factor else self._present()
        for scale in dict.fromkeys(scales):
            if scale not in self._networks:
                self._networks[scale] = self._open(scale)

    def release(self) -> None:
        """Free the memory. The engine can be loaded again."""
        self._networks.clear()
        free_memory()

    def park(self) -> None:
        """Free the memory: the checkpoints are small, and quick to read again."""
        self.release()

    @property
    def label(self) -> str:
        """Return the model's name."""
        return self._label

    @property
    def device(self) -> str:
        """Return the torch device in use, "" while not loaded."""
        return next((str(network.device) for network in self._networks.values()), "")

    @property
    def notes(self) -> list[dict[str, str]]:
        """Return how the model runs, if not as usual (generation/domain/worker_notes.py)."""
        lasting = any(network.is_widened for network in self._networks.values())
        facts = {"model": self._label, "precision": "float32", "part": "upscaling"}
        return [{"id": "precision", **facts}] if lasting else []

    @property
    def memory_bytes(self) -> int:
        """Return the size of the loaded weights in bytes; 0 while not loaded."""
        return sum(network.weight_bytes for network in self._networks.values())

    def upscale(self, frames: np.ndarray, factor: int, on_step: OnStep | None = None) -> np.ndarray:
        """Enlarge uint8 RGB frames [N, H, W, 3] to uint8 RGB [N, H * factor, W * factor, 3].

        `on_step(done, total, None)` is called once before the work and after every batch, in units of first-pass frames
        (a frame of a later pass counts in proportion to its area).

        Raises:
            RenderError: what `load` raises; "out-of-memory" if even the smallest tile does not fit.
            ValueError: `frames` has the wrong dtype or shape.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3 or 0 in frames.shape:
            raise ValueError(f"frames must be uint8 [N, H, W, 3], not {frames.dtype} {list(frames.shape)}")
        passes = self._plan(factor)
        self.load(factor)
        weights = [math.prod(passes.scales[:index]) ** 2 for index in range(len(passes.scales))]
        done, total = 0, len(frames) * sum(weights)
        report = on_step or (lambda done, total, preview: None)
        report(done, total, None)
        for index, (scale, weight) in enumerate(zip(passes.scales, weights, strict=True)):
            reduce = passes.reduce if index == len(passes.scales) - 1 else 1

            def advance(count: int, weight: int = weight) -> None:
                nonlocal done
                done += count * weight
                report(done, total, None)

            frames = self._pass(frames, self._networks[scale], reduce, advance)
        return frames

    def _present(self) -> list[int]:
        """Return the scales whose checkpoints exist."""
        present = [scale for scale, path in self._paths.items() if path.is_file()]
        if not present:
            raise self._missing()
        return present

    def _plan(self, factor: int) -> "Passes":
        """Return the passes to `factor` with the checkpoints present; log them once unless it is a single pass."""
        if factor not in self._plans:
            passes = plan_passes(factor, {scale: self._cost(scale) for scale in self._present()})
            if passes is None:
                raise self._missing()
            if passes.scales != (factor,):
                logger.info("%s: x%d is made by %s", self._label, factor, passes)
            self._plans[factor] = passes
        return self._plans[factor]

    def _cost(self, scale: int) -> float:
        """Return what a network costs per input pixel, as measured; one that is not loaded is opened for that."""
        if scale not in self._costs:
            self._costs[scale] = (self._networks.get(scale) or self._open(scale)).pixel_operations
        return self._costs[scale]

    def _missing(self) -> RenderError:
        names = ", ".join(path.name for path in self._paths.values())
        return RenderError("model-missing", model=self._label, file=names, command=self._command)

    def _open(self, scale: int) -> Network:
        path = self._paths[scale]
        if not path.is_file():
            raise self._missing()
        try:
            network = Network(path, scale, devices.choose(self._device), self._precision, self._found)
        except Exception as error:
            fault = fault_of(error)
            if fault is Fault.OUT_OF_MEMORY:
                OUT_OF_MEMORY.labels(engine="upscaling").inc()
                failure = RenderError("out-of-memory", model=self._label)
            elif fault is None and isinstance(error, load_errors()):
                logger.exception("%s: %s cannot be loaded", self._label, path)
                failure = RenderError("model-corrupt", model=self._label, file=path.name, command=self._command)
            else:
                raise
        else:
            logger.info("%s: loaded %s: %s", self._label, path.name, network)
            return network
        free_memory()
        raise failure

    def _pass(self, frames: np.ndarray, network: Network, reduce: int, advance: Callable[[int], None]) -> np.ndarray:
        """Run all frames through one network, then average `reduce` x `reduce` pixels into one."""
        count, height, width = frames.shape[:3]
        factor = network.scale // reduce
        large = np.empty((count, height * factor, width * factor, 3), np.uint8)
        key = (network.scale, height, width)
        short = self._short.get(key)
        if short is not None and short.is_over(room(str(network.device))):
            del self._short[key]
            short = None
        mode = short.mode if short else network.first_mode(height, width)
        mode = replace(mode, batch=min(mode.batch, count))
        start = 0
        while start < count:
            batch = frames[start : start + mode.batch]
            try:
                large[start : start + len(batch)] = network.enlarge(batch, mode.tile, reduce)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            else:
                start += len(batch)
                advance(len(batch))
                continue
            # Not in the handler: there, the traceback would still hold the failed attempt's memory.
            there = room(str(network.device))
            free_memory()
            OUT_OF_MEMORY.labels(engine="upscaling").inc()
            logger.warning("%s x%d at %dx%d: out of memory with %s", self._label, network.scale, width, height, mode)
            if registry.release_others(self, f"no memory for {self._label}"):
                continue
            cheaper = mode.cheaper(height, width)
            if cheaper is None:
                raise RenderError("out-of-memory", model=self._label)
            mode = cheaper
            self._short[key] = Shortage(mode, there)
        return large


@dataclass
class Shortage:
    """The mode that was needed when memory was short, the room on the card then if known, and how often it was used."""

    mode: Mode
    room: int | None
    uses: int = 0

    def is_over(self, room: int | None) -> bool:
        """Return whether a larger mode is worth another try: there is more room, or a while has passed."""
        self.uses += 1
        has_more = room is not None and self.room is not None and room >= self.room + MORE_ROOM
        return has_more or self.uses > PATIENCE


@dataclass(frozen=True)
class Passes:
    """Enlargement by each of `scales` in turn, then averaging of `reduce` x `reduce` pixels into one."""

    scales: tuple[int, ...]
    reduce: int = 1

    def __str__(self) -> str:
        steps = " then ".join(f"x{scale}" for scale in self.scales)
        return steps if self.reduce == 1 else f"{steps}, then averaging areas of {self.reduce}x{self.reduce}"


def plan_passes(factor: int, costs: Mapping[int, float]) -> Passes | None:
    """Return the cheapest passes to `factor`; None if there are none.

    Cheapest means the least computation, then the fewest passes, then the least to be averaged away. Pixels do not
    tell: x4plus takes 26 times as long per pixel as the video network, so that one is cheaper even where its output is
    reduced afterwards. Larger scales go first, since a restoring network works best on the original picture.

    Args:
        costs: scale of each network to its cost per input pixel.
    """
    if factor < 2:
        raise ValueError(f"the upscale factor must be at least 2, not {factor}")
    ordered = sorted((scale for scale in costs if scale > 1), reverse=True)
    found = []
    for length in range(1, MOST_PASSES + 1):
        for choice in itertools.combinations_with_replacement(ordered, length):
            reached = math.prod(choice)
            reduce = reached // factor
            if reached % factor == 0 and choice[-1] % reduce == 0:
                cost = sum(costs[scale] * math.prod(choice[:index]) ** 2 for index, scale in enumerate(choice))
                found.append((cost, length, reduce, Passes(choice, reduce)))
    return min(found, key=lambda entry: entry[:3])[3] if found else None

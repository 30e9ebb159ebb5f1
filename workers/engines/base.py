"""What every engine has in common: how it is called, how it reports, and on which device it runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

OnStep = Callable[[int, int, np.ndarray | None], None]
"""Called as `on_step(done, total, preview)`: once with `done == 0` before the work, then after every step or batch.

`preview` is a small picture of what is being made, uint8 `[F, h, w, 3]` RGB, or None. The callback may raise
`generation.domain.errors.Cancelled` (or anything else) to end the work at once; engines never catch it. `done` starts
again at 0 when the work has to start again, which happens when memory runs out.
"""

Loras = Sequence[tuple[Path, float]]
"""(file, weight) of each LoRA."""


@runtime_checkable
class Engine(Protocol):
    """A network that can be kept warm."""

    def load(self) -> None:
        """Reads the weights from disk. Calling it again does nothing.

        Raises:
            RenderError: "model-missing" or "model-corrupt", with the model's label.
        """

    def release(self) -> None:
        """Gives the memory back. The engine may be loaded again."""

    @property
    def memory_bytes(self) -> int:
        """Bytes that the weights take while loaded; 0 before and after."""


class TextToVideo(Engine, Protocol):
    """Makes a clip from a sentence."""

    def generate(
        self,
        prompt: str,
        negative_prompt: str,
        width: int,
        height: int,
        frames: int,
        steps: int,
        guidance: float,
        seed: int,
        on_step: OnStep,
        *,
        loras: Loras | None = None,
    ) -> np.ndarray:
        """The clip, uint8 `[frames, height, width, 3]` RGB. The same arguments give the same bytes on one machine."""

    def count_tokens(self, prompt: str) -> int:
        """How many tokens `prompt` takes, the marks of beginning and end included."""


class Interpolation(Engine, Protocol):
    """Makes the frames between the frames."""

    def interpolate(self, frames: np.ndarray, factor: int, on_step: OnStep) -> np.ndarray:
        """uint8 `[N, H, W, 3]` to uint8 `[(N - 1) * factor, H, W, 3]`; the frames given come back unchanged."""


class Upscaling(Engine, Protocol):
    """Makes frames larger."""

    def upscale(self, frames: np.ndarray, factor: int, on_step: OnStep) -> np.ndarray:
        """uint8 `[N, H, W, 3]` to uint8 `[N, H * factor, W * factor, 3]`."""


def torch_device(device: str = "auto") -> str:
    """The torch device to run on: "auto" is the graphics card when torch sees one, the processor otherwise."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"

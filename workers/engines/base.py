"""The engines' common interface: calls and progress reports."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np

from auravideo.commands import FETCH_MODELS

Preview = Callable[[], np.ndarray]
"""Computes a small version of the clip so far, uint8 `[F, h, w, 3]` RGB, when it is called, on the caller's thread.

Whoever is given one calls it before returning, or not at all: the next step reuses what it is computed from.
"""

OnStep = Callable[[int, int, Preview | None], None]
"""Called as `on_step(done, total, preview)`: once with `done == 0` before the work, then after every step or batch.

`preview` is None where there is none. The callback may raise `generation.domain.errors.Cancelled` (or anything else) to
abort at once; engines never catch it. `done` restarts at 0 if the work has to be restarted after running out of memory,
and begins above 0 where a clip continues after a pause.
"""


class Lora(NamedTuple):
    """A LoRA's file or folder, its strength, and for errors its label and the command that downloads it."""

    path: Path
    weight: float
    label: str = ""
    command: str = FETCH_MODELS


Loras = Sequence[Lora | tuple[Path, float]]


def as_loras(loras: Loras) -> tuple[Lora, ...]:
    """Return `loras` with the file's name as the label of those without one."""
    found = (lora if isinstance(lora, Lora) else Lora(Path(lora[0]), float(lora[1])) for lora in loras)
    return tuple(lora if lora.label else lora._replace(label=lora.path.name) for lora in found)


@runtime_checkable
class Engine(Protocol):
    """A network that can be kept warm."""

    def load(self) -> None:
        """Load the weights from disk; does nothing if they are loaded.

        Raises:
            RenderError: "model-missing" or "model-corrupt", with the model's label.
        """

    def release(self) -> None:
        """Free the memory. The engine can be loaded again."""

    def park(self) -> None:
        """Give the card back, but keep what makes the next call quick, in main memory where possible."""

    @property
    def memory_bytes(self) -> int:
        """Return the size of the loaded weights in bytes; 0 while not loaded."""


class TextToVideo(Engine, Protocol):
    """Generates a clip from a prompt."""

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
        checkpoint: bytes | None = None,
    ) -> np.ndarray:
        """Return a clip, uint8 `[frames, height, width, 3]` RGB. Deterministic on one machine.

        If `on_step` raises `Paused`, that takes a checkpoint along. The same call with this `checkpoint` continues
        there, and `on_step` begins with the steps that are done; with one that does not fit, it starts over.
        """

    def count_tokens(self, prompt: str) -> int:
        """Return the token count of `prompt`, including the start and end tokens."""


class Interpolation(Engine, Protocol):
    """Computes frames between existing frames."""

    def interpolate(self, frames: np.ndarray, factor: int, on_step: OnStep) -> np.ndarray:
        """Return uint8 `[(N - 1) * factor, H, W, 3]` from uint8 `[N, H, W, 3]`; input frames are returned unchanged."""


class Upscaling(Engine, Protocol):
    """Enlarges frames."""

    def upscale(self, frames: np.ndarray, factor: int, on_step: OnStep) -> np.ndarray:
        """Return uint8 `[N, H * factor, W * factor, 3]` from uint8 `[N, H, W, 3]`."""

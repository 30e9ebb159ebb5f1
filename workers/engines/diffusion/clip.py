"""A clip that is being made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workers.engines.base import Lora
from workers.engines.diffusion.checkpoint import Checkpoint


@dataclass
class Clip:
    """The arguments of one `generate` call, where to continue it, and the denoised latents once available."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    frames: int
    steps: int
    guidance: float
    seed: int
    loras: tuple[Lora, ...]
    scheduler: Mapping[str, Any] | None
    window: tuple[int, int] | None
    checkpoint: Checkpoint | None = field(default=None, repr=False)
    latents: Any = field(default=None, repr=False)

    @property
    def is_strained(self) -> bool:
        """Return whether LoRAs push the network so far that half precision may overflow, on any card."""
        return sum(abs(lora.weight) for lora in self.loras) > 1

    def facts(self) -> dict[str, Any]:
        """Return what must be the same to continue the clip, as JSON can hold it."""
        facts: dict[str, Any] = {
            "prompt": [self.prompt, self.negative_prompt],
            "size": [self.width, self.height, self.frames],
            "steps": self.steps,
            "guidance": self.guidance,
            "seed": self.seed,
            "LoRA": [[lora.label, lora.path.name, lora.weight] for lora in self.loras],
            "window": self.window,
        }
        return facts

    def check(self, factor: int) -> None:
        """Raise ValueError unless a decoder that enlarges by `factor` can make such a clip."""
        if self.width < factor or self.height < factor or self.width % factor or self.height % factor:
            raise ValueError(f"{self.width}x{self.height} is not made of multiples of {factor} pixels")
        if self.frames < 1 or self.steps < 1:
            raise ValueError(f"{self.frames} frames in {self.steps} steps cannot be made")

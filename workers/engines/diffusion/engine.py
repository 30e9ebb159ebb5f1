"""What all text-to-video engines share: precision, memory modes, warm weights, pauses, what they say of themselves."""

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from auravideo.commands import FETCH_MODELS
from auravideo.core.metrics.declared import OUT_OF_MEMORY
from auravideo.version import VERSION
from generation.catalogue import card_memory
from generation.domain.errors import Paused, RenderError
from workers.engines import devices, memory, registry
from workers.engines.base import Loras, OnStep, as_loras
from workers.engines.device_errors import is_out_of_memory
from workers.engines.devices import FLOAT32
from workers.engines.diffusion import checkpoint as checkpoints
from workers.engines.diffusion.checkpoint import Checkpoint, Unfit
from workers.engines.diffusion.clip import Clip
from workers.engines.diffusion.needs import Needs, needed_bytes
from workers.engines.diffusion.parts import networks_of, weight_bytes, weight_files
from workers.engines.diffusion.prompts import PromptCache
from workers.engines.files.source import Source
from workers.engines.ladder import Ladder
from workers.engines.memory import Rung, free_memory, rung_index
from workers.engines.precision import DECODER, NETWORK, NotFinite, Precisions, precisions

logger = logging.getLogger(__name__)

# Which rung fits depends on the GPU, so the knowledge outlives the engine that gained it.
_ladder = Ladder()

PARTS = (NETWORK, DECODER)


class DiffusionEngine(ABC):
    """A pipeline of diffusers, kept warm, whose clips walk the memory modes.

    Args:
        base: the model's folder.
        loras: default LoRAs as `Lora` or (file or folder, weight), for clips that specify none.
        scheduler: a diffusers class name under "class" plus configuration fields; None for the model's own.
        variant: preferred infix of weight files, such as "fp16".
        label, command: the model's name in errors, and the command that downloads it.
        device: "auto", or what devices.py calls "cuda", "xpu", "mps" or "cpu".
        precision: "float16", "bfloat16", "float32", or "auto": half precision on a card unless this card was found to
            compute wrongly in it (precision.py), float32 on the CPU.
        memory_mode: "auto", or the rung to start at, of those that `inexact` allows.
        inexact: when memory modes may be used that change the clip, one of `card_memory.INEXACT`.
        ladder, found: remember the rungs that fit, and the precisions that work; by default one each per process.
        needs: what a clip needs in each memory mode, as far as it was calculated: modes that do not fit are not tried.
        rungs: memory modes from the fastest to the most economical; by default the class's.
    """

    rungs: ClassVar[Sequence[Rung]] = memory.LADDER

    def __init__(
        self,
        base: Path | str,
        *,
        loras: Loras = (),
        scheduler: Mapping[str, Any] | None = None,
        variant: str | None = None,
        label: str = "",
        command: str = FETCH_MODELS,
        device: str = "auto",
        precision: str = "auto",
        memory_mode: str = "auto",
        inexact: str = card_memory.USUALLY,
        ladder: Ladder | None = None,
        found: Precisions = precisions,
        needs: Needs | None = None,
        rungs: Sequence[Rung] | None = None,
    ) -> None:
        self.base = Path(base)
        self.loras = as_loras(loras)
        self.scheduler = scheduler
        self._source = Source(label or self.base.name, command, variant)
        self._device_name, self._precision, self._found = device, precision, found
        self._rungs = card_memory.allowed(self.rungs if rungs is None else rungs, inexact)
        self._first_rung = rung_index(memory_mode, self._rungs)
        self._ladder = _ladder if ladder is None else ladder
        self._needs = needs
        self._pipeline: Any = None
        self._prompts: PromptCache | None = None
        self._preview: Any = None
        self._arranged: tuple[Any, ...] | None = None
        self._used: dict[str, str] = {}  # precision by part, once loaded
        self._rung = self._rungs[0]  # the last one

    @abstractmethod
    def _open(self, used: Mapping[str, str]) -> Any:
        """Return the pipeline, on the CPU, each of `PARTS` in the precision that `used` says."""

    @abstractmethod
    def _folders(self) -> tuple[Path | None, ...]:
        """Return where the weights come from; together, they tell one model from another."""

    @abstractmethod
    def _check(self, clip: Clip) -> None:
        """Raise ValueError unless the network can make such a clip."""

    @abstractmethod
    def _attempt(self, clip: Clip, rung: Rung, on_step: OnStep) -> np.ndarray:
        """Return the frames of a clip, made in a memory mode."""

    @abstractmethod
    def _plain(self) -> None:
        """Undo what a memory mode changed, except for where the weights are."""

    @abstractmethod
    def _least_bytes(self, rung: Rung) -> int:
        """Return what a memory mode needs on the card at the very least, whatever the clip."""

    @abstractmethod
    def count_tokens(self, prompt: str) -> int:
        """Return the token count of `prompt`, including the start and end tokens; loads only the tokenizer."""

    @property
    @abstractmethod
    def max_prompt_tokens(self) -> int:
        """Return the text encoder's token limit, including the start and end tokens; longer prompts are cut."""

    def _window(self, _frames: int) -> tuple[int, int] | None:
        """Return the sliding window for a clip; None if the network sees it at once."""
        return None

    def _facts(self, clip: Clip) -> dict[str, Any]:
        """Return what must be the same to continue a clip in another process, or on another machine."""
        import diffusers
        import torch

        return {
            **clip.facts(),
            "version": [VERSION, diffusers.__version__, torch.__version__],
            "model": [self._source.label, self._source.variant, self.base.name],
            "weights": list(weight_files(*self._folders())),
            "precision": self._used[NETWORK],
        }

    @functools.cached_property
    def device(self) -> str:
        """Return the torch device in use."""
        return devices.choose(self._device_name)

    @functools.cached_property
    def card(self) -> str:
        """Return the name of the card in use, or "cpu"."""
        return devices.name(self.device)

    @functools.cached_property
    def _usual(self) -> str:
        if self._precision != "auto":
            return self._precision
        return devices.usual_precision(self.device)

    @property
    def label(self) -> str:
        """Return the model's name."""
        return self._source.label

    @property
    def notes(self) -> list[dict[str, str]]:
        """Return how the model runs, if not as usual (generation/domain/worker_notes.py)."""
        wider = {part: precision for part, precision in self._used.items() if precision != self._usual}
        said = [{"id": "precision", "part": part, "precision": precision} for part, precision in wider.items()]
        said += [{"id": "memory-mode", "mode": self._rung.name}] if self._rung != self._rungs[self._first_rung] else []
        return [{"model": self.label, **note} for note in said]

    @property
    def memory_bytes(self) -> int:
        """Return the size of the loaded weights and buffers in bytes; 0 while not loaded."""
        if self._pipeline is None:
            return 0
        return weight_bytes(*networks_of(self._pipeline))

    def load(self) -> None:
        """Load all weights into main memory; they move to the GPU with the first clip.

        Raises:
            RenderError: "model-missing", "model-corrupt", or "out-of-memory" if main memory is too small.
        """
        if self._pipeline is not None:
            return
        used = self._used or {part: self._found.get(self.card, self._source.label, part, self._usual) for part in PARTS}
        with self._short_of_memory():
            pipeline = self._open(used)
            self._pipeline, self._used, self._prompts = pipeline, used, PromptCache(pipeline)

    @contextmanager
    def _short_of_memory(self) -> Iterator[None]:
        """Translate memory errors of loading into the user's error."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            OUT_OF_MEMORY.labels(engine="text-to-video").inc()
            raise RenderError("out-of-memory", model=self._source.label) from error

    def park(self) -> None:
        """Move the weights to main memory."""
        if self._pipeline is not None and self.device != "cpu":
            self._clear()

    def release(self) -> None:
        """Free the weights, on the GPU and in main memory."""
        self._drop()
        self._used = {}

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
        scheduler: Mapping[str, Any] | None = None,
        checkpoint: bytes | None = None,
    ) -> np.ndarray:
        """Generate a clip.

        Args:
            prompt, negative_prompt: text; anything beyond `max_prompt_tokens` is cut and logged.
            width, height: pixels, multiples of what one latent covers.
            frames: 1 or more, a count that the network can make.
            steps: inference steps; some schedulers run one more.
            guidance: guidance scale; 1 or less disables guidance and halves the work.
            seed: 0 to 2**64 - 1. Noise is drawn on the CPU, so that the same call gives the same bytes.
            on_step: called after every denoising step, with a preview, and after every batch of decoded frames.
            loras, scheduler: override the engine's own for this clip.
            checkpoint: what `Paused` took along when the same call was interrupted, to continue there. One that does
                not fit is logged, and the clip starts over.

        Returns:
            uint8 `[frames, height, width, 3]` RGB.

        Raises:
            RenderError: what `load` raises; "out-of-memory" if even the most economical mode does not fit.
            ValueError: an invalid size, number or scheduler.
            NotFinite: the network returned NaN or infinity, even in full precision.
            Paused: `on_step` raised it.
        """
        self.load()
        wanted = self.loras if loras is None else as_loras(loras)
        clip = Clip(
            *(prompt, negative_prompt, width, height, frames, steps, guidance, seed),
            loras=wanted,
            scheduler=self.scheduler if scheduler is None else scheduler,
            window=self._window(frames),
        )
        self._check(clip)
        self._warn_of_cut(prompt=prompt, negative_prompt=negative_prompt)
        usual = dict(self._used)
        clip.checkpoint = self._fitting(checkpoint, clip)
        while True:
            try:
                made = self._climb(clip, on_step)
                break
            except NotFinite as error:
                if not self._widen(error.part, str(error)):
                    self._go_back(usual)
                    raise
                if error.part == NETWORK:  # otherwise only decoding is left: the denoised latents are numbers
                    clip.checkpoint, clip.latents = self._fitting(checkpoint, clip), None
        if not made.any():
            made = self._look_again(clip, made, on_step)
        self._conclude(clip, usual)
        return made

    def _fitting(self, checkpoint: bytes | None, clip: Clip) -> Checkpoint | None:
        """Return where to continue a clip; None to begin it."""
        if checkpoint is None:
            return None
        try:
            return checkpoints.read(checkpoint, self._facts(clip))
        except Unfit as reason:
            logger.warning("%s: the clip begins again, since its checkpoint cannot be used: %s", self.label, reason)
            return None

    def _climb(self, clip: Clip, on_step: OnStep) -> np.ndarray:
        """Return the frames of a clip, in the first memory mode that fits."""
        parts = tuple(map(str, self._folders()))
        return self._ladder.run(
            lambda rung: self._attempt(clip, rung, on_step),
            model=f"{self._source.label} ({self.device})",
            rungs=self._rungs,
            subject=(*parts, *self._used.values(), self.card),
            width=clip.width,
            height=clip.height,
            frames=clip.frames,
            first=self._first_rung,
            room=lambda: memory.room(self.device),
            least=lambda rung: needed_bytes(rung, clip, self._least_bytes(rung), self._needs),
            release=lambda: registry.release_others(self, f"no memory for {self._source.label}"),
            between=self._clear,
        )

    @staticmethod
    def _begin(clip: Clip, steps: int, total: int, on_step: OnStep) -> None:
        """Report the first step, or those that were done before a pause."""
        found = clip.checkpoint
        try:
            on_step(found.step if found else 0, total, None)
        except Paused as pause:
            pause.checkpoint = found.data if found else None
            raise
        if found is not None and found.step >= steps:
            clip.latents = found.latents

    def _widen(self, part: str, reason: str) -> bool:
        """Let a part compute in the next wider precision. Return False if there is none."""
        precision = devices.wider(self._used[part], self.device)
        if precision is None:
            return False
        logger.warning(
            "%s: %s in %s on %s, going on in %s", self._source.label, reason, self._used[part], self.card, precision
        )
        self._use(part, precision)
        return True

    def _use(self, part: str, precision: str) -> None:
        """Load the weights again, with a part in another precision."""
        self._drop()
        self._used = {**self._used, part: precision}
        self.load()

    def _conclude(self, clip: Clip, usual: Mapping[str, str]) -> None:
        """Remember the precisions that a clip needed, unless it may have needed them for its LoRAs alone."""
        needed = {part: precision for part, precision in self._used.items() if precision != usual[part]}
        if needed and clip.is_strained:
            logger.info("%s: back to %s, since strong LoRAs say nothing of %s", self._source.label, usual, self.card)
            self._go_back(usual)
            return
        for part, precision in needed.items():
            self._found.remember(self.card, self._source.label, part, precision)

    def _go_back(self, usual: Mapping[str, str]) -> None:
        """Let the next clip load the weights in these precisions, if they are in others now."""
        if self._used != usual:
            self._drop()
            self._used = dict(usual)

    def _look_again(self, clip: Clip, black: np.ndarray, on_step: OnStep) -> np.ndarray:
        """Decode frames that are all black once more in full precision, since some cards compute black ones in half."""
        half = self._used[DECODER]
        if half == FLOAT32:
            return black
        self._use(DECODER, FLOAT32)
        frames = self._climb(clip, on_step)
        if frames.any():
            logger.warning("%s: black frames in %s on %s", self._source.label, half, self.card)
        else:
            self._use(DECODER, half)
        return frames

    def _warn_of_cut(self, **texts: str) -> None:
        for name, text in texts.items():
            if (count := self.count_tokens(text)) > self.max_prompt_tokens:
                name = name.replace("_", " ")
                logger.warning("The %s has %d tokens; those after %d are cut", name, count, self.max_prompt_tokens)

    def _forget_prompts(self) -> None:
        """Encode prompts again, since LoRAs may reach the text encoder, too."""
        if self._prompts is not None:
            self._prompts.clear()

    def _drop(self) -> None:
        self._pipeline = self._prompts = self._preview = self._arranged = None
        free_memory()

    def _clear(self) -> None:
        """Move everything off the GPU."""
        self._arranged = None
        self._plain()
        self._pipeline.to("cpu", silence_dtype_warnings=True)
        free_memory()

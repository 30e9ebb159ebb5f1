"""AnimateDiff text-to-video, using diffusers' `AnimateDiffPipeline` with local folders."""

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from auravideo.commands import FETCH_MODELS
from auravideo.core.metrics.declared import OUT_OF_MEMORY
from auravideo.version import VERSION
from generation.catalogue import card_memory
from generation.domain.errors import Paused, RenderError
from workers.engines import devices, memory, registry
from workers.engines.base import Loras, OnStep, as_loras
from workers.engines.clip_tokens import PromptTokens, load_prompt_tokens
from workers.engines.device_errors import is_out_of_memory
from workers.engines.devices import FLOAT32
from workers.engines.diffusion import checkpoint as checkpoints
from workers.engines.diffusion.checkpoint import Checkpoint, Unfit
from workers.engines.diffusion.clip import Clip
from workers.engines.diffusion.decoding import decode
from workers.engines.diffusion.denoising import denoise
from workers.engines.diffusion.needs import Needs, needed_bytes
from workers.engines.diffusion.parts import arrange, make_plain, set_precision, weight_bytes, weight_files
from workers.engines.diffusion.prompts import PromptCache
from workers.engines.files.single_file import load_pipeline
from workers.engines.ladder import Ladder
from workers.engines.loading import Source, make_scheduler, set_free_noise, set_loras, swap_motion
from workers.engines.memory import Rung, free_memory, rung_index
from workers.engines.precision import NotFinite, Precisions, dtype, precisions
from workers.engines.preview import LatentPreview

logger = logging.getLogger(__name__)


# AnimateDiff's published modules were trained on 16 frames; FreeNoise's paper and diffusers use a stride of 4.
CONTEXT_LENGTH = 16
CONTEXT_STRIDE = 4

# Which rung fits depends on the GPU, so the knowledge outlives the engine that gained it.
_ladder = Ladder()

PARTS = ("network", "decoder")


@dataclass(frozen=True)
class Motion:
    """A motion adapter: its folder or bare weights file, how to sample with it, and its name in errors."""

    path: Path
    scheduler: Mapping[str, Any] | None
    context_length: int
    context_stride: int
    source: Source

    @classmethod
    def of_entries(cls, model: Any, adapter: Any, home: Path | str) -> "Motion":
        """Return the catalogue's `adapter` for `model`. The adapter's scheduler, if any, overrides the model's."""
        folder = adapter.path(home)
        return cls(
            path=folder / adapter.weights if adapter.weights else folder,
            scheduler=adapter.scheduler if adapter.scheduler is not None else model.scheduler,
            context_length=min(adapter.context_length, adapter.max_frames),
            context_stride=adapter.context_stride,
            source=Source(adapter.label, adapter.command, adapter.variant),
        )


class AnimateDiffEngine:
    """A base model with a motion adapter, kept warm. `use` changes the adapter.

    Args:
        base: folder in Stable Diffusion's layout (unet, vae, text_encoder, tokenizer, scheduler).
        adapter: the motion adapter's folder or bare weights file; None for `base / "motion_adapter"`.
        weights: a single-file checkpoint, whose configuration and tokenizer are those of `base`.
        vae: folder or single file of a VAE that replaces the base's, the file with the configuration `vae_config`.
        loras: default LoRAs as `Lora` or (file or folder, weight), for clips that specify none.
        scheduler: a diffusers class name under "class" plus configuration fields; None for the base's own.
        variant: preferred infix of weight files, such as "fp16".
        context_length: frames the motion adapter sees at once; longer clips use FreeNoise. At most the length of the
            adapter's positional encoding.
        context_stride: step of that sliding window, in frames.
        label, command: the model's name in errors, and the command that downloads it.
        motion: the same for the adapter; None if it came with the base.
        device: "auto", or what devices.py calls "cuda", "xpu", "mps" or "cpu".
        precision: "float16", "bfloat16", "float32", or "auto": half precision on a card unless this card was found to
            compute wrongly in it (precision.py), float32 on the CPU.
        memory_mode: "auto", or the rung to start at, of those that `inexact` allows.
        inexact: when memory modes may be used that change the clip, one of `card_memory.INEXACT`.
        ladder, found: remember the rungs that fit, and the precisions that work; by default one each per process.
        needs: what a clip needs in each memory mode, as far as it was calculated: modes that do not fit are not tried.
    """

    def __init__(
        self,
        base: Path | str,
        adapter: Path | str | None = None,
        *,
        weights: Path | None = None,
        vae: Path | str | None = None,
        vae_config: Path | None = None,
        loras: Loras = (),
        scheduler: Mapping[str, Any] | None = None,
        variant: str | None = None,
        context_length: int = CONTEXT_LENGTH,
        context_stride: int = CONTEXT_STRIDE,
        label: str = "",
        command: str = FETCH_MODELS,
        motion: Source | None = None,
        device: str = "auto",
        precision: str = "auto",
        memory_mode: str = "auto",
        inexact: str = card_memory.USUALLY,
        ladder: Ladder | None = None,
        found: Precisions = precisions,
        needs: Needs | None = None,
    ) -> None:
        self.base = Path(base)
        self.adapter = Path(adapter) if adapter else self.base / "motion_adapter"
        self.weights, self.vae_config = weights, vae_config
        self.vae = Path(vae) if vae else None
        self.loras = as_loras(loras)
        self.scheduler = scheduler
        self.context_length, self.context_stride = context_length, context_stride
        self._source = Source(label or self.base.name, command, variant)
        self._motion = motion or self._source
        self._device_name, self._precision, self._found = device, precision, found
        self._rungs = memory.allowed(inexact)
        self._first_rung = rung_index(memory_mode, self._rungs)
        self._ladder = _ladder if ladder is None else ladder
        self._needs = needs
        self._pipeline: Any = None
        self._prompts: PromptCache | None = None
        self._preview: LatentPreview | None = None
        self._arranged: tuple[Any, ...] | None = None
        self._used: dict[str, str] = {}  # precision by part, once loaded
        self._rung = self._rungs[0]  # the last one

    @classmethod
    def from_entries(cls, model: Any, adapter: Any, home: Path | str, **options: Any) -> "AnimateDiffEngine":
        """Return the engine for a catalogue `BaseModel` and `MotionAdapter` whose files are under `home`.

        A LoRA that the adapter requires is not loaded: pass it with the others, so that one warm engine serves every
        combination.
        """
        motion = Motion.of_entries(model, adapter, home)
        defaults = {
            "scheduler": motion.scheduler,
            "variant": model.variant,
            "weights": model.weights_path(home),
            "vae": model.vae_path(home),
            "vae_config": model.vae_config_path(home),
            "context_length": motion.context_length,
            "context_stride": motion.context_stride,
            "label": model.label,
            "command": model.command,
            "needs": functools.partial(card_memory.needs, model, inexact=options.get("inexact", card_memory.USUALLY)),
            "motion": motion.source,
        }
        return cls(model.base_path(home), motion.path, **{**defaults, **options})

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

    @functools.cached_property
    def prompt_tokens(self) -> PromptTokens:
        """Return the tokenizer that counts, loaded without the rest of the model."""
        return load_prompt_tokens(self.base / "tokenizer", self._source)

    @property
    def max_prompt_tokens(self) -> int:
        """Return the text encoder's token limit, including the start and end tokens; longer prompts are cut."""
        return self.prompt_tokens.limit

    def count_tokens(self, prompt: str) -> int:
        """Return the token count of `prompt`, including the start and end tokens; loads only the tokenizer."""
        return self.prompt_tokens.count(prompt)

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
        return weight_bytes(self._pipeline.unet, self._pipeline.vae, self._pipeline.text_encoder)

    def load(self) -> None:
        """Load all weights into main memory; they move to the GPU with the first clip.

        Raises:
            RenderError: "model-missing", "model-corrupt", or "out-of-memory" if main memory is too small.
        """
        if self._pipeline is not None:
            return
        used = self._used or {part: self._found.get(self.card, self._source.label, part, self._usual) for part in PARTS}
        # What half precision cannot hold is infinite for good, so parts that differ are read in full precision.
        kind = dtype(used["network"] if len({*used.values()}) == 1 else FLOAT32)
        with self._short_of_memory():
            files = (self.base, self.weights, self.adapter, self.vae)
            pipeline = load_pipeline(*files, kind, self._source, self._motion, vae_config=self.vae_config)
            for part, precision in used.items():
                set_precision(pipeline, part, precision)
            self._pipeline, self._used, self._prompts = pipeline, used, PromptCache(pipeline)

    def use(self, motion: Motion) -> None:
        """Change the motion adapter. Of a loaded engine, only the adapter's weights are replaced.

        Raises:
            RenderError: as `load`, naming the adapter. The engine still has the adapter that it had.
        """
        if self._pipeline is not None and motion.path != self.adapter:
            self._make_plain()
            with self._short_of_memory():
                swap_motion(self._pipeline, motion.path, motion.source)
            free_memory()
        self.adapter, self._motion = motion.path, motion.source
        self.scheduler = motion.scheduler
        self.context_length, self.context_stride = motion.context_length, motion.context_stride

    def _make_plain(self) -> None:
        """Undo `_arrange`, except for where the weights are."""
        self._arranged = None
        make_plain(self._pipeline)
        self._pipeline.unload_lora_weights()
        self._forget_prompts()
        set_free_noise(self._pipeline, None)

    def _forget_prompts(self) -> None:
        """Encode prompts again, since LoRAs may reach the text encoder, too."""
        if self._prompts is not None:
            self._prompts.clear()

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
            width, height: pixels, multiples of the VAE's factor (8).
            frames: 1 or more.
            steps: inference steps; some schedulers run one more.
            guidance: guidance scale; 1 or less disables guidance and halves the work.
            seed: 0 to 2**64 - 1. Noise is drawn on the CPU, so that the same call gives the same bytes.
            on_step: called after every denoising step with a preview, and after every batch of decoded frames.
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
        clip.check(self._pipeline.vae_scale_factor)
        self._warn_of_cut(prompt=prompt, negative_prompt=negative_prompt)
        usual = dict(self._used)
        while True:
            try:
                clip.checkpoint = self._fitting(checkpoint, clip)
                made = self._climb(clip, on_step)
                break
            except NotFinite as error:
                if not self._widen(error.part, str(error)):
                    self._go_back(usual)
                    raise
        if not made.any():
            made = self._look_again(clip, made, on_step)
        self._conclude(clip, usual)
        return made

    def _facts(self, clip: Clip) -> dict[str, Any]:
        """Return what must be the same to continue a clip in another process, or on another machine."""
        import diffusers
        import torch

        sampling = make_scheduler(clip.scheduler, self.base, self._source).config
        return {
            **clip.facts(),
            "version": [VERSION, diffusers.__version__, torch.__version__],
            "model": [self._source.label, self._source.variant, self.base.name, self.vae.name if self.vae else ""],
            "adapter": [self._motion.label, self._motion.variant, self.adapter.name],
            "weights": list(weight_files(self.weights or self.base, self.adapter, self.vae)),
            "precision": self._used["network"],
            "scheduler": {name: str(value) for name, value in sampling.items()},
        }

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
        parts = tuple(map(str, (self.weights or self.base, self.adapter, self.vae)))
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
            least=lambda rung: needed_bytes(self._pipeline, rung, clip, self._needs),
            release=lambda: registry.release_others(self, f"no memory for {self._source.label}"),
            between=self._clear,
        )

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
        half = self._used["decoder"]
        if half == FLOAT32:
            return black
        self._use("decoder", FLOAT32)
        frames = self._climb(clip, on_step)
        if frames.any():
            logger.warning("%s: black frames in %s on %s", self._source.label, half, self.card)
        else:
            self._use("decoder", half)
        return frames

    def _window(self, frames: int) -> tuple[int, int] | None:
        """Return FreeNoise's (context length, stride) for a clip; None if the adapter can see it at once.

        A clip of whole seconds has one frame more, which ends its last interval: 17 for a context of 16. FreeNoise
        would compute a second window for that frame. Adapters have position encodings for more frames than they were
        trained on (the published ones for 32), and one more does no harm; of four more, the last ones go astray
        (docs/performance.md).
        """
        encoded = self._pipeline.motion_adapter.config.motion_max_seq_length
        length = min(self.context_length, encoded)
        stride = min(self.context_stride, length)
        return (length, stride) if frames > min(length + 1, encoded) else None

    def _warn_of_cut(self, **texts: str) -> None:
        for name, text in texts.items():
            if (count := self.count_tokens(text)) > self.max_prompt_tokens:
                name = name.replace("_", " ")
                logger.warning("The %s has %d tokens; those after %d are cut", name, count, self.max_prompt_tokens)

    def _drop(self) -> None:
        self._pipeline = self._prompts = self._preview = self._arranged = None
        free_memory()

    def _clear(self) -> None:
        """Move everything off the GPU."""
        self._arranged = None
        make_plain(self._pipeline)
        self._pipeline.to("cpu", silence_dtype_warnings=True)
        free_memory()

    def _attempt(self, clip: Clip, rung: Rung, on_step: OnStep) -> np.ndarray:
        scheduler = make_scheduler(clip.scheduler, self.base, self._source)
        scheduler.set_timesteps(clip.steps)
        steps = len(scheduler.timesteps)
        batches = -(-clip.frames // rung.decode_frames)
        total = steps + batches
        if clip.latents is None:
            self._begin(clip, steps, total, on_step)
        self._arrange(clip, rung)
        self._rung = rung
        try:
            if clip.latents is None:
                latents = self._denoise(clip, scheduler, lambda done, picture: on_step(done, total, picture))
                clip.latents = latents.cpu()  # kept in case decoding runs out of memory
            vae, report = self._pipeline.vae, lambda done: on_step(steps + done, total, None)
            return decode(vae, clip.latents, self.device, rung.decode_frames, report)
        except Paused as pause:
            if clip.latents is not None:
                checkpoints.attach(pause, steps, clip.latents, lambda: self._facts(clip))
            raise
        finally:
            self._pipeline.maybe_free_model_hooks()

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

    def _arrange(self, clip: Clip, rung: Rung) -> None:
        """Set up LoRAs, FreeNoise, the memory mode and devices for this clip and rung."""
        offload = rung.offload and self.device != "cpu"
        wanted = (clip.loras, clip.window, replace(rung, name="", decode_frames=0, offload=offload))
        if wanted == self._arranged:
            return
        before, self._arranged = self._arranged, None
        if before is None or before[0] != clip.loras:
            make_plain(self._pipeline)
            self._forget_prompts()
            set_loras(self._pipeline, clip.loras, self._source)
        arrange(self._pipeline, clip.window, rung, self.device, offload)
        self._arranged = wanted
        logger.info(
            "%s: memory mode %s, FreeNoise %s, %d LoRAs", self._source.label, rung.name, clip.window, len(clip.loras)
        )

    def _denoise(self, clip: Clip, scheduler: Any, report: Callable[[int, np.ndarray | None], None]) -> Any:
        if self._preview is None:
            self._preview = LatentPreview(self._pipeline.vae, self.device)
            self._pipeline.maybe_free_model_hooks()  # under offload, the decoder is not needed on the card yet
        return denoise(self._pipeline, clip, scheduler, self._preview, report, lambda: self._facts(clip))

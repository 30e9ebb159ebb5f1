"""AnimateDiff text-to-video, using diffusers' `AnimateDiffPipeline` with local folders."""

import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from auravideo.commands import FETCH_MODELS
from auravideo.core.metrics.declared import OUT_OF_MEMORY
from generation.domain.errors import RenderError
from workers.engines.base import Lora, Loras, OnStep, as_loras, torch_device
from workers.engines.clip_tokens import PromptTokens, load_prompt_tokens
from workers.engines.loading import Source, load_pipeline, make_scheduler, set_free_noise, set_loras, swap_motion
from workers.engines.memory import (
    Ladder,
    Rung,
    free_memory,
    is_out_of_memory,
    join_inference,
    rung_index,
    split_inference,
)
from workers.engines.preview import LatentPreview

logger = logging.getLogger(__name__)


# AnimateDiff's published modules were trained on 16 frames; FreeNoise's paper and diffusers use a stride of 4.
CONTEXT_LENGTH = 16
CONTEXT_STRIDE = 4

# Which rung fits depends on the GPU, so the knowledge outlives the engine that gained it.
_ladder = Ladder()


@dataclass
class _Clip:
    """The arguments of one `generate` call, and the denoised latents once available."""

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
    latents: Any = field(default=None, repr=False)


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
        vae: folder of a VAE that replaces the base's.
        loras: default LoRAs as `Lora` or (file or folder, weight), for clips that specify none.
        scheduler: a diffusers class name under "class" plus configuration fields; None for the base's own.
        variant: preferred infix of weight files, such as "fp16".
        context_length: frames the motion adapter sees at once; longer clips use FreeNoise. At most the length of the
            adapter's positional encoding.
        context_stride: step of that sliding window, in frames.
        label, command: the model's name in errors, and the command that downloads it.
        motion: the same for the adapter; None if it came with the base.
        device: "auto", "cuda" or "cpu". Half precision on the GPU, float32 on the CPU.
        memory_mode: "auto", or the rung of `memory.LADDER` to start at.
        ladder: remembers the rungs that fit; by default one per process.
    """

    def __init__(
        self,
        base: Path | str,
        adapter: Path | str | None = None,
        *,
        vae: Path | str | None = None,
        loras: Loras = (),
        scheduler: Mapping[str, Any] | None = None,
        variant: str | None = None,
        context_length: int = CONTEXT_LENGTH,
        context_stride: int = CONTEXT_STRIDE,
        label: str = "",
        command: str = FETCH_MODELS,
        motion: Source | None = None,
        device: str = "auto",
        memory_mode: str = "auto",
        ladder: Ladder | None = None,
    ) -> None:
        self.base = Path(base)
        self.adapter = Path(adapter) if adapter else self.base / "motion_adapter"
        self.vae = Path(vae) if vae else None
        self.loras = as_loras(loras)
        self.scheduler = scheduler
        self.context_length, self.context_stride = context_length, context_stride
        self._source = Source(label or self.base.name, command, variant)
        self._motion = motion or self._source
        self._device_name = device
        self._first_rung = rung_index(memory_mode)
        self._ladder = _ladder if ladder is None else ladder
        self._pipeline: Any = None
        self._preview: LatentPreview | None = None
        self._arranged: tuple[Any, ...] | None = None

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
            "context_length": motion.context_length,
            "context_stride": motion.context_stride,
            "label": model.label,
            "command": model.command,
            "motion": motion.source,
        }
        return cls(model.path(home), motion.path, **{**defaults, **options})

    @functools.cached_property
    def device(self) -> str:
        """Return the torch device in use."""
        return torch_device(self._device_name)

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
    def memory_bytes(self) -> int:
        """Return the size of the loaded weights and buffers in bytes; 0 while not loaded."""
        if self._pipeline is None:
            return 0
        modules = (self._pipeline.unet, self._pipeline.vae, self._pipeline.text_encoder)
        tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def load(self) -> None:
        """Load all weights into main memory; they move to the GPU with the first clip.

        Raises:
            RenderError: "model-missing", "model-corrupt", or "out-of-memory" if main memory is too small.
        """
        if self._pipeline is not None:
            return
        import torch

        dtype = torch.float16 if self.device.startswith("cuda") else torch.float32
        with self._short_of_memory():
            self._pipeline = load_pipeline(self.base, self.adapter, self.vae, dtype, self._source, self._motion)

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
        self._pipeline.remove_all_hooks()
        join_inference(self._pipeline.unet)
        self._pipeline.unload_lora_weights()
        set_free_noise(self._pipeline, None)

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

    def release(self) -> None:
        """Free the weights, on the GPU and in main memory."""
        self._pipeline = self._preview = self._arranged = None
        free_memory()

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

        Returns:
            uint8 `[frames, height, width, 3]` RGB.

        Raises:
            RenderError: what `load` raises; "out-of-memory" if even the most economical mode does not fit.
            ValueError: an invalid size, number or scheduler.
            FloatingPointError: the network returned NaN or infinity.
        """
        self.load()
        wanted = self.loras if loras is None else as_loras(loras)
        clip = _Clip(
            *(prompt, negative_prompt, width, height, frames, steps, guidance, seed),
            loras=wanted,
            scheduler=self.scheduler if scheduler is None else scheduler,
            window=self._window(frames),
        )
        self._check(clip)
        return self._ladder.run(
            lambda rung: self._attempt(clip, rung, on_step),
            model=f"{self._source.label} ({self.device})",
            width=width,
            height=height,
            frames=frames,
            first=self._first_rung,
            between=self._after_failure,
        )

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

    def _check(self, clip: _Clip) -> None:
        factor = self._pipeline.vae_scale_factor
        if clip.width < factor or clip.height < factor or clip.width % factor or clip.height % factor:
            raise ValueError(f"{clip.width}x{clip.height} is not made of multiples of {factor} pixels")
        if clip.frames < 1 or clip.steps < 1:
            raise ValueError(f"{clip.frames} frames in {clip.steps} steps cannot be made")
        for name, text in (("prompt", clip.prompt), ("negative prompt", clip.negative_prompt)):
            count = self.count_tokens(text)
            if count > self.max_prompt_tokens:
                logger.warning("The %s has %d tokens; those after %d are cut", name, count, self.max_prompt_tokens)

    def _after_failure(self) -> None:
        """Move everything off the GPU, so that the next, more economical mode starts clean."""
        self._arranged = None
        self._pipeline.remove_all_hooks()
        self._pipeline.to("cpu", silence_dtype_warnings=True)
        free_memory()

    def _attempt(self, clip: _Clip, rung: Rung, on_step: OnStep) -> np.ndarray:
        scheduler = make_scheduler(clip.scheduler, self.base, self._source)
        scheduler.set_timesteps(clip.steps)
        steps = len(scheduler.timesteps)
        batches = -(-clip.frames // rung.decode_frames)
        total = steps + batches
        if clip.latents is None:
            on_step(0, total, None)
        self._arrange(clip, rung)
        try:
            if clip.latents is None:
                latents = self._denoise(clip, scheduler, lambda done, picture: on_step(done, total, picture))
                clip.latents = latents.cpu()  # kept in case decoding runs out of memory
            return self._decode(clip.latents, rung, lambda done: on_step(steps + done, total, None))
        finally:
            self._pipeline.maybe_free_model_hooks()

    def _arrange(self, clip: _Clip, rung: Rung) -> None:
        """Set up LoRAs, FreeNoise, split inference and devices for this clip and rung."""
        offload = rung.offload and self.device != "cpu"
        wanted = (clip.loras, clip.window, rung.split, rung.tile_vae, offload)
        if wanted == self._arranged:
            return
        pipeline = self._pipeline
        before, self._arranged = self._arranged, None
        pipeline.remove_all_hooks()
        join_inference(pipeline.unet)
        if before is None or before[0] != clip.loras:
            set_loras(pipeline, clip.loras, self._source)
        set_free_noise(pipeline, clip.window)
        if rung.split:
            split_inference(pipeline.unet)
        pipeline.vae.use_tiling = rung.tile_vae
        if offload:
            pipeline.enable_model_cpu_offload(device=self.device)
        else:
            pipeline.to(self.device, silence_dtype_warnings=True)
        self._arranged = wanted
        logger.info(
            "%s: memory mode %s, FreeNoise %s, %d LoRAs", self._source.label, rung.name, clip.window, len(clip.loras)
        )

    def _denoise(self, clip: _Clip, scheduler: Any, report: Callable[[int, np.ndarray | None], None]) -> Any:
        """Return the clip's latents `[1, C, F, h, w]`; call `report(steps done, preview)` after every step."""
        import torch

        if self._preview is None:
            self._preview = LatentPreview(self._pipeline.vae)
        preview = self._preview
        estimate = _CleanEstimate(scheduler)
        self._pipeline.scheduler = scheduler

        def step_end(_pipeline: Any, index: int, _timestep: Any, _tensors: Mapping[str, Any]) -> dict[str, Any]:
            report(index + 1, preview(estimate.latents))
            return {}

        result = self._pipeline(
            prompt=clip.prompt,
            negative_prompt=clip.negative_prompt,
            width=clip.width,
            height=clip.height,
            num_frames=clip.frames,
            num_inference_steps=clip.steps,
            guidance_scale=clip.guidance,
            generator=torch.Generator("cpu").manual_seed(clip.seed),
            output_type="latent",
            callback_on_step_end=step_end,
        )
        return result.frames

    def _decode(self, latents: Any, rung: Rung, report: Callable[[int], None]) -> np.ndarray:
        """Return uint8 `[F, H, W, 3]` from latents on the CPU; call `report(batches done)` after every batch."""
        import torch

        vae = self._pipeline.vae
        frames = (latents[0] / vae.config.scaling_factor).movedim(1, 0)
        batches = frames.split(rung.decode_frames)
        decoded = []
        with torch.no_grad():
            for index, batch in enumerate(batches):
                pixels = vae.decode(batch.to(device=self.device, dtype=vae.dtype)).sample
                if not torch.isfinite(pixels).all():
                    raise FloatingPointError(f"{self._source.label}: the frames are no numbers ({vae.dtype})")
                rgb = ((pixels.float() / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
                decoded.append(rgb.movedim(1, -1).cpu().numpy())
                report(index + 1)
        return np.concatenate(decoded)


class _CleanEstimate:
    """Captures a scheduler's estimate of the clean latents at each step, which shows more than the noisy ones."""

    def __init__(self, scheduler: Any) -> None:
        self.latents: Any = None
        step = scheduler.step

        @functools.wraps(step)
        def listening(*args: Any, **kwargs: Any) -> Any:
            output = step(*args, **kwargs)
            self.latents = self._of(output, scheduler)
            return output

        scheduler.step = listening

    @staticmethod
    def _of(output: Any, scheduler: Any) -> Any:
        """Return `pred_original_sample` (DDIM, Euler), `denoised` (LCM), or a solver's last model output."""
        for name in ("pred_original_sample", "denoised"):
            if getattr(output, name, None) is not None:
                return getattr(output, name)
        solver = str(scheduler.config.get("algorithm_type", ""))
        if solver.endswith("dpmsolver++") or scheduler.config.get("predict_x0"):
            return scheduler.model_outputs[-1]
        return output.prev_sample

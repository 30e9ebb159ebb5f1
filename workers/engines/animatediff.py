"""AnimateDiff: a sentence to a clip, by diffusers' `AnimateDiffPipeline` from local folders."""

import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from generation.domain.errors import RenderError
from workers.engines.base import Loras, OnStep, torch_device
from workers.engines.loading import (
    Source,
    load_pipeline,
    load_tokenizer,
    make_scheduler,
    set_free_noise,
    set_loras,
)
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


# AnimateDiff's published modules were trained on 16 frames; FreeNoise's paper and diffusers slide that window by 4.
CONTEXT_LENGTH = 16
CONTEXT_STRIDE = 4

# Which rung fitted is a fact about the card, so it outlives the engine that found it out.
_ladder = Ladder()


@dataclass
class _Clip:
    """What one call of `generate` is to make, and the denoised latents once they are there."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    frames: int
    steps: int
    guidance: float
    seed: int
    loras: tuple[tuple[Path, float], ...]
    scheduler: Mapping[str, Any] | None
    window: tuple[int, int] | None
    latents: Any = field(default=None, repr=False)


class AnimateDiffEngine:
    """A base model with a motion adapter, kept warm.

    Args:
        base: folder in Stable Diffusion's layout (unet, vae, text_encoder, tokenizer, scheduler).
        adapter: folder of the motion adapter, or its bare weights file; None for `base / "motion_adapter"`.
        vae: folder of a VAE to use instead of the base's.
        loras: (file or folder, weight) of the LoRAs that act on every clip that names no others.
        scheduler: a diffusers class name under "class" and configuration fields; None for the base's own.
        variant: infix of the weight files to prefer, such as "fp16".
        context_length: frames that the motion adapter sees at once; longer clips go through FreeNoise. At most what the
            adapter's positional encoding holds.
        context_stride: by how many frames that window slides.
        label, command: what errors call the model, and what fetches it.
        device: "auto", "cuda" or "cpu". Half precision on the card, float32 on the processor.
        memory_mode: "auto", or the rung of `memory.LADDER` to begin with.
        ladder: where the rungs that fitted are remembered; by default for the whole process.
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
        command: str = "python manage.py fetch_models",
        device: str = "auto",
        memory_mode: str = "auto",
        ladder: Ladder | None = None,
    ) -> None:
        self.base = Path(base)
        self.adapter = Path(adapter) if adapter else self.base / "motion_adapter"
        self.vae = Path(vae) if vae else None
        self.loras = tuple((Path(path), float(weight)) for path, weight in loras)
        self.scheduler = scheduler
        self.context_length, self.context_stride = context_length, context_stride
        self._source = Source(label or self.base.name, command, variant)
        self._device_name = device
        self._first_rung = rung_index(memory_mode)
        self._ladder = _ladder if ladder is None else ladder
        self._pipeline: Any = None
        self._preview: LatentPreview | None = None
        self._arranged: tuple[Any, ...] | None = None

    @classmethod
    def from_entries(cls, model: Any, adapter: Any, home: Path | str, **options: Any) -> "AnimateDiffEngine":
        """The engine for a `BaseModel` and a `MotionAdapter` of the catalogue whose files are under `home`.

        The adapter's scheduler replaces the model's, where it has one. The LoRA that an adapter needs is not put on:
        pass it with the others, so that one warm engine serves every combination.
        """
        folder = adapter.path(home)
        defaults = {
            "scheduler": adapter.scheduler if adapter.scheduler is not None else model.scheduler,
            "variant": model.variant,
            "context_length": min(adapter.context_length, adapter.max_frames),
            "context_stride": adapter.context_stride,
            "label": model.label,
            "command": model.command,
        }
        path = folder / adapter.weights if adapter.weights else folder
        return cls(model.path(home), path, **{**defaults, **options})

    @functools.cached_property
    def device(self) -> str:
        """The torch device that computes."""
        return torch_device(self._device_name)

    @functools.cached_property
    def tokenizer(self) -> Any:
        """The CLIP tokenizer; read without the rest of the model."""
        return load_tokenizer(self.base / "tokenizer", self._source)

    @property
    def max_prompt_tokens(self) -> int:
        """Tokens that the text encoder reads, the marks of beginning and end included; the rest of a prompt is cut."""
        return self.tokenizer.model_max_length

    def count_tokens(self, prompt: str) -> int:
        """How many tokens `prompt` takes, the marks of beginning and end included. Nothing else is loaded for it."""
        return len(self.tokenizer(prompt, truncation=False, verbose=False).input_ids)

    @property
    def memory_bytes(self) -> int:
        """Bytes of the loaded weights and buffers; 0 when nothing is loaded."""
        if self._pipeline is None:
            return 0
        modules = (self._pipeline.unet, self._pipeline.vae, self._pipeline.text_encoder)
        tensors = [tensor for module in modules for tensor in (*module.parameters(), *module.buffers())]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def load(self) -> None:
        """Reads everything from disk into main memory; it goes to the card when the first clip is made.

        Raises:
            RenderError: "model-missing", "model-corrupt"; "out-of-memory" when main memory does not hold it.
        """
        if self._pipeline is not None:
            return
        import torch

        dtype = torch.float16 if self.device.startswith("cuda") else torch.float32
        try:
            self._pipeline = load_pipeline(self.base, self.adapter, self.vae, dtype, self._source, self._source)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise RenderError("out-of-memory", model=self._source.label) from error

    def release(self) -> None:
        """Gives up the weights, on the card and in main memory."""
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
        """Makes a clip.

        Args:
            prompt, negative_prompt: text; what goes beyond `max_prompt_tokens` is cut, with a warning in the log.
            width, height: pixels, multiples of the VAE's factor (8).
            frames: 1 or more.
            steps: inference steps; some schedulers make one more of them.
            guidance: guidance scale; 1 or less turns guidance off and halves the work.
            seed: 0 to 2**64 - 1. Noise is drawn on the processor, so that the same call gives the same bytes.
            on_step: called after every denoising step, with a preview, and after every batch of decoded frames.
            loras, scheduler: instead of the engine's own, for this clip.

        Returns:
            uint8 `[frames, height, width, 3]` RGB.

        Raises:
            RenderError: what `load` raises; "out-of-memory" when the most economical mode does not fit either.
            ValueError: a size, number or scheduler that cannot be.
            FloatingPointError: the network gave no numbers.
        """
        self.load()
        wanted = self.loras if loras is None else tuple((Path(path), float(weight)) for path, weight in loras)
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
        """FreeNoise's (context length, stride) for a clip of this length, None where the adapter sees it whole."""
        length = min(self.context_length, self._pipeline.motion_adapter.config.motion_max_seq_length)
        return (length, min(self.context_stride, length)) if frames > length else None

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
        """Takes everything off the card, so that the next, more economical mode starts from nothing."""
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
                clip.latents = latents.cpu()  # kept, should there be no memory left to decode them
            return self._decode(clip.latents, rung, lambda done: on_step(steps + done, total, None))
        finally:
            self._pipeline.maybe_free_model_hooks()

    def _arrange(self, clip: _Clip, rung: Rung) -> None:
        """Puts LoRAs, FreeNoise, split inference and devices as this clip and this rung want them."""
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
        """The clip's latents `[1, C, F, h, w]`; `report(steps done, preview)` after every step."""
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
        """uint8 `[F, H, W, 3]` from latents on the CPU; `report(batches done)` after every batch of frames."""
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
    """Listens to a scheduler's steps for its estimate of the finished latents, which shows more than noisy ones."""

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
        """DDIM and Euler call it `pred_original_sample`, LCM `denoised`; the solvers keep it for their next step."""
        for name in ("pred_original_sample", "denoised"):
            if getattr(output, name, None) is not None:
                return getattr(output, name)
        solver = str(scheduler.config.get("algorithm_type", ""))
        if solver.endswith("dpmsolver++") or scheduler.config.get("predict_x0"):
            return scheduler.model_outputs[-1]
        return output.prev_sample

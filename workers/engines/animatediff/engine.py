"""AnimateDiff text-to-video, using diffusers' `AnimateDiffPipeline` with local folders."""

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from generation.catalogue import card_memory
from generation.domain.errors import Paused
from workers.engines.animatediff.loras import set_loras
from workers.engines.animatediff.motion import swap_motion
from workers.engines.animatediff.single_file import load_pipeline
from workers.engines.base import OnStep, Preview
from workers.engines.clip_tokens import PromptTokens, load_prompt_tokens
from workers.engines.devices import FLOAT32
from workers.engines.diffusion import checkpoint as checkpoints
from workers.engines.diffusion.clip import Clip
from workers.engines.diffusion.clip_skip import skip_last_layers
from workers.engines.diffusion.decoding import decode
from workers.engines.diffusion.denoising import denoise
from workers.engines.diffusion.engine import DiffusionEngine
from workers.engines.diffusion.free_noise import set_free_noise
from workers.engines.diffusion.long_prompts import read_long_prompts, whole_clip
from workers.engines.diffusion.parts import arrange, least_bytes, make_plain, set_precision, weight_files
from workers.engines.files.embeddings import Embedding, in_place_of_words, teach
from workers.engines.files.schedulers import make_scheduler
from workers.engines.files.source import Source
from workers.engines.memory import Rung, free_memory
from workers.engines.precision import NETWORK, dtype
from workers.engines.preview import LatentPreview

logger = logging.getLogger(__name__)


# AnimateDiff's published modules were trained on 16 frames; FreeNoise's paper and diffusers use a stride of 4.
CONTEXT_LENGTH = 16
CONTEXT_STRIDE = 4


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


class AnimateDiffEngine(DiffusionEngine):
    """A base model with a motion adapter, kept warm. `use` changes the adapter.

    Args:
        base: folder in Stable Diffusion's layout (unet, vae, text_encoder, tokenizer, scheduler).
        adapter: the motion adapter's folder or bare weights file; None for `base / "motion_adapter"`.
        weights: a single-file checkpoint, whose configuration and tokenizer are those of `base`.
        vae: folder or single file of a VAE that replaces the base's, the file with the configuration `vae_config`.
        context_length: frames the motion adapter sees at once; longer clips use FreeNoise. At most the length of the
            adapter's positional encoding.
        context_stride: step of that sliding window, in frames.
        motion: the adapter's name in errors, and its command; None if it came with the base.
        clip_skip: at which layer from the end the text encoder stops; 1 leaves out nothing.
        options: see `DiffusionEngine`.
    """

    def __init__(
        self,
        base: Path | str,
        adapter: Path | str | None = None,
        *,
        weights: Path | None = None,
        vae: Path | str | None = None,
        vae_config: Path | None = None,
        context_length: int = CONTEXT_LENGTH,
        context_stride: int = CONTEXT_STRIDE,
        motion: Source | None = None,
        clip_skip: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(base, **options)
        self.adapter = Path(adapter) if adapter else self.base / "motion_adapter"
        self.weights, self.vae_config = weights, vae_config
        self.vae = Path(vae) if vae else None
        self.context_length, self.context_stride = context_length, context_stride
        self._motion = motion or self._source
        self.clip_skip = clip_skip
        self.embeddings: tuple[Embedding, ...] = ()
        self._words: dict[str, str] = {}  # once loaded

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
            "clip_skip": model.clip_skip,
            "context_length": motion.context_length,
            "context_stride": motion.context_stride,
            "label": model.label,
            "command": model.command,
            "needs": functools.partial(card_memory.needs, model, inexact=options.get("inexact", card_memory.USUALLY)),
            "motion": motion.source,
        }
        return cls(model.base_path(home), motion.path, **{**defaults, **options})

    @functools.cached_property
    def prompt_tokens(self) -> PromptTokens:
        """Return the tokenizer that counts, loaded without the rest of the model."""
        return load_prompt_tokens(self.base / "tokenizer", self._source)

    @property
    def max_prompt_tokens(self) -> int:
        return self.prompt_tokens.limit  # of one chunk

    def _warn_of_cut(self, **texts: str) -> None:
        """Say nothing: prompts of any length are read (long_prompts.py)."""

    def count_tokens(self, prompt: str) -> int:
        return self.prompt_tokens.count(prompt)

    def know(self, embeddings: Sequence[Embedding]) -> None:
        """Let prompts use exactly these embeddings.

        Raises:
            RenderError: a file is missing, damaged or for another model. The engine then knows none.
        """
        if tuple(embeddings) == self.embeddings:
            return
        self.embeddings = ()
        if self._pipeline is not None:
            self._teach(self._pipeline, embeddings)
            self._forget_prompts()
        self.embeddings = tuple(embeddings)

    def _teach(self, pipeline: Any, embeddings: Sequence[Embedding]) -> None:
        self._words = {}
        self._words = teach(pipeline, embeddings, self.base / "tokenizer", self._source)

    def generate(self, prompt: str, negative_prompt: str, *args: Any, **options: Any) -> np.ndarray:
        self.load()
        prompt, negative_prompt = (in_place_of_words(text, self._words) for text in (prompt, negative_prompt))
        return super().generate(prompt, negative_prompt, *args, **options)

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

    def _open(self, used: Mapping[str, str]) -> Any:
        # What half precision cannot hold is infinite for good, so parts that differ are read in full precision.
        kind = dtype(used[NETWORK] if len({*used.values()}) == 1 else FLOAT32)
        files = (self.base, self.weights, self.adapter, self.vae)
        pipeline = load_pipeline(*files, kind, self._source, self._motion, vae_config=self.vae_config)
        if self.embeddings:
            self._teach(pipeline, self.embeddings)
        skip_last_layers(pipeline.text_encoder, self.clip_skip)
        read_long_prompts(pipeline)
        for part, precision in used.items():
            set_precision(pipeline, part, precision)
        return pipeline

    def _folders(self) -> tuple[Path | None, ...]:
        return self.weights or self.base, self.adapter, self.vae

    def _check(self, clip: Clip) -> None:
        clip.check(self._pipeline.vae_scale_factor)
        clip.window = clip.window or whole_clip(clip.frames, clip.prompt, clip.negative_prompt)

    def _plain(self) -> None:
        make_plain(self._pipeline)

    def _least_bytes(self, rung: Rung) -> int:
        return least_bytes(self._pipeline, rung)

    def _facts(self, clip: Clip) -> dict[str, Any]:
        sampling = make_scheduler(clip.scheduler, self.base, self._source).config
        return {
            **super()._facts(clip),
            "model": [self._source.label, self._source.variant, self.base.name, self.vae.name if self.vae else ""],
            "adapter": [self._motion.label, self._motion.variant, self.adapter.name],
            "scheduler": {name: str(value) for name, value in sampling.items()},
            "clip_skip": self.clip_skip,
            "embeddings": [[each.word, *weights] for each in self.embeddings for weights in weight_files(each.path)],
        }

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

    def _denoise(self, clip: Clip, scheduler: Any, report: Callable[[int, Preview], None]) -> Any:
        if self._preview is None:
            self._preview = LatentPreview(self._pipeline.vae, self.device)
            self._pipeline.maybe_free_model_hooks()  # under offload, the decoder is not needed on the card yet
        return denoise(self._pipeline, clip, scheduler, self._preview, report, lambda: self._facts(clip))

"""Text-to-video with any pipeline of diffusers that makes clips by itself: Wan, LTX-Video, CogVideoX, HunyuanVideo."""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from generation.catalogue import card_memory
from generation.catalogue.diffusers_names import OTHER_SCHEDULERS
from generation.domain.errors import Paused
from generation.domain.plan import ANY_COUNT, FrameRule
from workers.engines.base import Lora, OnStep
from workers.engines.devices import FLOAT32
from workers.engines.diffusion.clip import Clip
from workers.engines.diffusion.engine import DiffusionEngine
from workers.engines.families import arranging, tokens
from workers.engines.families.layout import latent_volume
from workers.engines.families.opening import open_pipeline
from workers.engines.families.preview import VideoPreview, fitted
from workers.engines.families.steps import Steps
from workers.engines.files import gguf
from workers.engines.files.schedulers import make_scheduler
from workers.engines.files.source import Source
from workers.engines.memory import Rung
from workers.engines.precision import DECODER, NETWORK, NotFinite, dtype

logger = logging.getLogger(__name__)

# As how many steps decoding counts in the progress, be it done as a whole or by the latent frame.
# Estimated: 3 to 6 of the steps with guidance of Wan 2.1, LTX-Video and CogVideoX.
DECODING = 4


class FamilyEngine(DiffusionEngine):
    """A model whose pipeline makes clips by itself, kept warm.

    The frames are those of the plain call of its pipeline with the same seed, bit for bit.

    Args:
        base: folder in diffusers' layout, with a model_index.json.
        pipeline: the pipeline's class.
        rule: which frame counts and sizes the network can make.
        fps: the rate at which it makes frames.
        max_tokens: how many tokens of a prompt it reads.
        precisions: by part, another precision than the usual one, where that is not float32 already.
        call: fixed arguments of the pipeline's call.
        weights: a single file with some of the networks, of which `base` has only the configuration. A GGUF file has
            the transformer.
        options: see `DiffusionEngine`.
    """

    rungs = arranging.LADDER

    def __init__(
        self,
        base: Path | str,
        pipeline: str,
        *,
        rule: FrameRule = ANY_COUNT,
        fps: int = 0,
        max_tokens: int = 0,
        precisions: Mapping[str, str] | None = None,
        call: Mapping[str, Any] | None = None,
        weights: Path | str | None = None,
        **options: Any,
    ) -> None:
        file = Path(weights) if weights else None
        rungs = arranging.GGUF_LADDER if gguf.is_gguf(file) else None
        super().__init__(base, **{"rungs": rungs, **options})
        self.pipeline, self.rule, self.fps, self._max_tokens = pipeline, rule, fps, max_tokens
        self._precisions, self._call = dict(precisions or {}), dict(call or {})
        self.weights = file

    @classmethod
    def from_entry(cls, model: Any, home: Path | str, **options: Any) -> "FamilyEngine":
        """Return the engine for a catalogue `BaseModel` whose files are under `home`.

        A LoRA that a few-step variant requires is not loaded: pass it with the others.
        """
        inexact = options.get("inexact", card_memory.USUALLY)
        defaults = {
            "variant": model.variant,
            "label": model.label,
            "command": model.command,
            "needs": functools.partial(card_memory.needs, model, inexact=inexact),
        }
        weights = model.weights_path(home)
        engine = cls(model.base_path(home), model.pipeline, weights=weights, **{**defaults, **options})
        engine._sample_as(model)
        return engine

    def use(self, model: Any) -> None:
        """Change to a variant of the same files: other steps, scheduler and LoRA, the same weights."""
        if dict(model.precisions) != self._precisions:
            self.release()
        self._source = Source(model.label, model.command, model.variant)
        self._sample_as(model)

    def _sample_as(self, model: Any) -> None:
        """Take over what a catalogue entry says, except for where its files are."""
        self.rule, self.fps, self._max_tokens = model.frame_rule, model.native_fps, model.max_prompt_tokens
        self.scheduler, self._call, self._precisions = model.scheduler, dict(model.call), dict(model.precisions)

    @property
    def max_prompt_tokens(self) -> int:
        return self._max_tokens

    def count_tokens(self, prompt: str) -> int:
        return tokens.count(self.base / "tokenizer", prompt, self._source)

    def _open(self, used: Mapping[str, str]) -> Any:
        return open_pipeline(self.base, self.pipeline, _Kinds(used, self._precisions), self._source, self.weights)

    def _folders(self) -> tuple[Path | None, ...]:
        return self.base, self.weights

    def _plain(self) -> None:
        arranging.make_plain(self._pipeline)

    def _least_bytes(self, rung: Rung) -> int:
        return arranging.least_bytes(self._pipeline, rung)

    def _check(self, clip: Clip) -> None:
        clip.check(self.rule.side_multiple)
        if self.rule.at_least(clip.frames) != clip.frames or clip.frames > (self.rule.most or clip.frames):
            raise ValueError(f"{clip.frames} frames are not a number that {self.label} can make: {self.rule}")

    def _facts(self, clip: Clip) -> dict[str, Any]:
        sampling = self._scheduler(clip).config
        return {
            **super()._facts(clip),
            "pipeline": [self.pipeline, {name: str(value) for name, value in sorted(self._call.items())}],
            "scheduler": {name: str(value) for name, value in sampling.items()},
        }

    def _scheduler(self, clip: Clip) -> Any:
        return make_scheduler(clip.scheduler, self.base, self._source, allowed=OTHER_SCHEDULERS)

    def _attempt(self, clip: Clip, rung: Rung, on_step: OnStep) -> np.ndarray:
        total = clip.steps + DECODING
        self._begin(clip, clip.steps, total, on_step)
        self._arrange(clip, rung)
        self._rung = rung
        preview = self._fitted_preview()
        pipeline = self._pipeline
        pipeline.scheduler = self._scheduler(clip)
        import torch

        generator = torch.Generator("cpu").manual_seed(clip.seed)

        def report(done: int, latents: Any) -> None:
            size = clip.width, clip.height, clip.frames
            on_step(done, total, functools.partial(preview.of_clip, latents, *size) if preview else None)

        steps = Steps(pipeline, clip, generator, lambda: self._facts(clip), report)

        def report_decoding(share: float) -> None:
            on_step(clip.steps + min(int(DECODING * share), DECODING - 1), total, None)

        decoding = _Decoding(
            pipeline.vae, latent_volume(pipeline, clip.width, clip.height, clip.frames), report_decoding
        )
        try:
            with steps.heard(), decoding.heard():
                made = pipeline(**self._arguments(clip, generator)).frames
        except Paused as pause:
            if pause.checkpoint is None and clip.checkpoint is not None:
                pause.checkpoint = clip.checkpoint.data
            raise
        finally:
            arranging.forget_frames(pipeline.vae)
            pipeline.maybe_free_model_hooks()
        frames = _to_bytes(made)
        if len(frames) != clip.frames:
            raise ValueError(f"{self.pipeline} made {len(frames)} frames instead of {clip.frames}")
        on_step(total, total, None)
        return frames

    def _arguments(self, clip: Clip, generator: Any) -> dict[str, Any]:
        """Return the arguments of the pipeline's call; what differs from family to family stands in the entry."""
        known = inspect.signature(self._pipeline.__call__).parameters
        guidance = max(1.0, clip.guidance)
        return {
            "prompt": clip.prompt,
            "negative_prompt": clip.negative_prompt,
            "width": clip.width,
            "height": clip.height,
            "num_frames": clip.frames,
            "num_inference_steps": clip.steps,
            "generator": generator,
            "output_type": "pt",
            **arranging.set_guidance(self._pipeline, guidance),
            **({"frame_rate": self.fps} if "frame_rate" in known and self.fps else {}),
            **self._fixed(clip),
        }

    def _fixed(self, clip: Clip) -> dict[str, Any]:
        """Return the entry's arguments. Timesteps hold only for as many steps as a model was distilled for."""
        times = self._call.get("timesteps", ())
        return {name: value for name, value in self._call.items() if name != "timesteps" or len(times) == clip.steps}

    def _fitted_preview(self) -> VideoPreview | None:
        if self._preview is None:
            self._preview = (fitted(self._pipeline, self.device),)
            self._pipeline.maybe_free_model_hooks()  # under offload, the decoder is not needed on the card yet
        found: VideoPreview | None = self._preview[0]
        return found

    def _arrange(self, clip: Clip, rung: Rung) -> None:
        """Set up LoRAs, the memory mode and devices for this clip and rung."""
        offload = rung.offload and self.device != "cpu"
        wanted: tuple[tuple[Lora, ...], Rung] = (clip.loras, replace(rung, name="", offload=offload))
        if wanted == self._arranged:
            return
        before, self._arranged = self._arranged, None
        if (before is None and clip.loras) or (before is not None and before[0] != clip.loras):
            arranging.make_plain(self._pipeline)
            self._forget_prompts()
            arranging.set_loras(self._pipeline, clip.loras, self._source)
        arranging.arrange(self._pipeline, rung, self.device, offload)
        self._arranged = wanted
        logger.info("%s: memory mode %s, %d LoRAs", self._source.label, rung.name, len(clip.loras))


class _Kinds(dict[str, Any]):
    """The torch dtype of each part: the entry's, unless everything of its kind computes in full precision."""

    def __init__(self, used: Mapping[str, str], precisions: Mapping[str, str]) -> None:
        super().__init__()
        self._used, self._precisions = used, precisions

    def __missing__(self, part: str) -> Any:
        usual = self._used[DECODER if part == "vae" else NETWORK]
        return dtype(usual if usual == FLOAT32 else self._precisions.get(part, usual))


class _Decoding:
    """Measures how much of a clip a VAE's decoder has seen, so that decoding can be followed and ended.

    Args:
        volume: of the clip's latents, as `latent_volume` returns it.
        report: called with the share, 0 to 1, before each part that the decoder is given. Tiles overlap.
    """

    def __init__(self, vae: Any, volume: int, report: Callable[[float], None]) -> None:
        self._decoder, self._volume, self._report = getattr(vae, "decoder", None), volume, report
        self._seen = 0

    def heard(self) -> Any:
        """Return a context in which every call of the decoder is reported."""
        from contextlib import closing, nullcontext
        from types import SimpleNamespace

        if self._decoder is None:
            return nullcontext()
        handle = self._decoder.register_forward_pre_hook(self._look)
        return closing(SimpleNamespace(close=handle.remove))

    def _look(self, _decoder: Any, given: tuple[Any, ...]) -> None:
        self._report(min(1.0, self._seen / self._volume))
        self._seen += given[0][0, 0].numel() if given else 0


def _to_bytes(made: Any) -> np.ndarray:
    """Return uint8 `[F, H, W, 3]` from a pipeline's frames, `[1, F, 3, H, W]` in 0..1."""
    import torch

    frames = made[0]
    if not torch.isfinite(frames).all():
        raise NotFinite(DECODER, "the frames are no numbers")
    rgb = (frames.float().clamp(0, 1) * 255).round().to(torch.uint8)
    return np.ascontiguousarray(rgb.movedim(1, -1).cpu().numpy())

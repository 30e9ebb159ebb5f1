"""Trains the tiny upscaler: `python -m workers.tiny.training.train_esrgan --scale 4`, then `--scale 2`.

The network starts as bicubic enlargement (see `DetailUpscaler`) and minimizes the mean over patches of log(mean squared
error). That is mean PSNR itself, so that a gradient, where bicubic is nearly perfect, weighs as much as text, where it
is poor; a patch that falls below bicubic counts fourfold. The exported weights are a running average of the trained
ones, in the published compact layout. Training stops after `--minutes` (or `--steps`) in total, across interruptions;
patches depend on seed and step alone.
"""

import argparse
import logging
import math
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from auravideo.core.files import replacing
from generation.catalogue.entries import BUILTIN_MODELS
from workers.tiny.networks.esrgan import DetailUpscaler, save_checkpoint, start_x2_from_x4, to_compact
from workers.tiny.training import esrgan_data

logger = logging.getLogger(__name__)

MODELS = BUILTIN_MODELS / "real-esrgan"
DEFAULT_MINUTES = {4: 30.0, 2: 15.0}
BATCH = 8
PATCH = 36
# The outermost pixels see padding instead of image; the engine adds a margin and crops it.
MARGIN = 2
LEARNING_RATE = {4: 1e-3, 2: 4e-4}
WARM_UP_STEPS = 200
# Rounding to 8 bits alone leaves an error of 1/sqrt(12) grey levels; nothing can be gained below it.
ERROR_FLOOR = (0.29 / 255) ** 2
# Extra weight of a patch's shortfall against bicubic: never being worse is a guarantee, not an average.
BELOW_BICUBIC = 3.0
AVERAGE_DECAY = 0.999
GRADIENT_LIMIT = 5.0
EXPORT_SECONDS = 180.0
CURVE_STEPS = 50


@dataclass
class Progress:
    """Training progress: optimizer steps, seconds spent on them, and the curve (step, mean patch PSNR in dB)."""

    step: int = 0
    seconds: float = 0.0
    curve: list[tuple[int, float]] = field(default_factory=list)


def checkpoint_path(scale: int, models: Path = MODELS) -> Path:
    """Return where the trained weights of a scale are stored in the package."""
    return models / f"RealESRGAN_tiny_x{scale}.safetensors"


def patch_errors(enlarged: Tensor, large: Tensor, scale: int) -> Tensor:
    """Return the mean squared error of each patch [B], without the margin."""
    cut = MARGIN * scale
    difference = (enlarged - large)[..., cut:-cut, cut:-cut]
    return difference.square().mean(dim=(1, 2, 3))


class Trainer:
    """One training of one scale, with all the state needed to resume as if never interrupted."""

    def __init__(
        self,
        scale: int,
        folder: Path,
        models: Path,
        seed: int = 7,
        device: str = "cpu",
        learning_rate: float | None = None,
    ) -> None:
        self.scale, self.folder, self.models, self.seed = scale, folder, models, seed
        self.device, self.learning_rate = torch.device(device), learning_rate or LEARNING_RATE[scale]
        torch.manual_seed(seed)
        self.model = DetailUpscaler(scale)
        if scale == 2 and (folder / "esrgan-x4.pt").exists():
            x4 = DetailUpscaler(4)
            x4.load_state_dict(torch.load(folder / "esrgan-x4.pt", map_location="cpu", weights_only=True)["average"])
            start_x2_from_x4(self.model, x4)
        self.model.to(self.device)
        self.average = {name: weight.detach().clone() for name, weight in self.model.state_dict().items()}
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=self.learning_rate)
        self.progress = Progress()

    @property
    def state_path(self) -> Path:
        return self.folder / f"esrgan-x{self.scale}.pt"

    def resume(self) -> bool:
        """Load the saved state of an interrupted training. Return False if there is none."""
        if not self.state_path.exists():
            return False
        state = torch.load(self.state_path, map_location=self.device, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = state["average"]
        self.progress = Progress(state["step"], state["seconds"], state["curve"])
        return True

    def save(self) -> None:
        """Save the training's state and export the averaged weights."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.progress.step,
            "seconds": self.progress.seconds,
            "curve": self.progress.curve,
        }
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.state_path) as part:
            torch.save(state, part)
        note = {"steps": str(self.progress.step), "seed": str(self.seed), "scale": str(self.scale)}
        averaged = DetailUpscaler(self.scale)
        averaged.load_state_dict(self.average)
        save_checkpoint(to_compact(averaged).state_dict(), checkpoint_path(self.scale, self.models), metadata=note)
        draw_curve(self.progress.curve, self.folder / f"esrgan-x{self.scale}.png", self.scale)

    def train_step(self, pairs: esrgan_data.Pairs, done: float) -> float:
        """Run one optimizer step at `done` (0..1) of the whole training; return the batch's mean PSNR in dB."""
        rng = np.random.default_rng([self.seed, self.scale, self.progress.step])
        batch = esrgan_data.cut_batch(pairs, self.scale, BATCH, PATCH, rng)
        small, large = (torch.from_numpy(array).to(self.device) for array in batch)
        warm = min(1.0, (self.progress.step + 1) / WARM_UP_STEPS)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * warm * (0.5 + 0.5 * math.cos(math.pi * min(done, 1.0)))
        with torch.autocast(self.device.type, torch.bfloat16):
            enlarged = self.model(small)
        error = torch.log10(patch_errors(enlarged, large, self.scale) + ERROR_FLOOR)
        with torch.no_grad():
            bicubic = patch_errors(self.model.enlarge_bicubic(small), large, self.scale)
        below = torch.relu(error - torch.log10(bicubic + ERROR_FLOOR))
        loss = (error + BELOW_BICUBIC * below).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_LIMIT)
        self.optimizer.step()
        self._update_average()
        self.progress.step += 1
        return -10.0 * float(error.detach().mean())

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(AVERAGE_DECAY, (1 + self.progress.step) / (10 + self.progress.step))
        for name, weight in self.model.state_dict().items():
            self.average[name].lerp_(weight, 1 - decay)


def train(trainer: Trainer, pairs: esrgan_data.Pairs, minutes: float, steps: int | None) -> None:
    """Train until `steps` are done or, without them, until `minutes` have been spent in total; save along the way."""
    progress, recent, saved = trainer.progress, [], time.monotonic()
    total = steps or round(minutes * 60)
    bar = tqdm(total=total, initial=min(total, _spent(progress, steps)), unit="step" if steps else "s")
    try:
        while (done := (progress.step / steps) if steps else progress.seconds / (minutes * 60)) < 1:
            started = time.monotonic()
            recent.append(trainer.train_step(pairs, done))
            progress.seconds += time.monotonic() - started
            if len(recent) == CURVE_STEPS:
                progress.curve.append((progress.step, float(np.mean(recent))))
                bar.set_postfix(step=progress.step, psnr=f"{np.mean(recent):.2f} dB")
                recent.clear()
            bar.update(min(total, _spent(progress, steps)) - bar.n)
            if time.monotonic() - saved > EXPORT_SECONDS:
                trainer.save()
                saved = time.monotonic()
    finally:  # Ctrl-C must not lose a step either
        bar.close()
        trainer.save()


def _spent(progress: Progress, steps: int | None) -> int:
    return progress.step if steps else int(progress.seconds)


def draw_curve(curve: list[tuple[int, float]], path: Path, scale: int) -> None:
    """Plot the patches' mean PSNR over the steps, with a running mean, as a PNG."""
    if not curve:
        return
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    steps, values = (np.array(column) for column in zip(*curve, strict=True))
    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    axes.plot(steps, values, alpha=0.3, label=f"mean of {CURVE_STEPS} steps")
    window = min(10, len(values))
    axes.plot(steps[window - 1 :], np.convolve(values, np.ones(window) / window, "valid"), label="running mean")
    axes.set(title=f"Tiny Real-ESRGAN x{scale}", xlabel="step", ylabel="mean PSNR of training patches (dB)")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=int, choices=esrgan_data.SCALES, default=4)
    parser.add_argument("--minutes", type=float, help="training time in all (30 for x4, 15 for x2)")
    parser.add_argument("--steps", type=int, help="stop after this many steps instead")
    parser.add_argument("--learning-rate", type=float, help="at the start of the cosine (1e-3 for x4, 4e-4 for x2)")
    parser.add_argument("--pictures", type=int, default=2400)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--folder", type=Path, default=Path("var/train"))
    parser.add_argument("--models", type=Path, default=MODELS, help="where the weights go")
    parser.add_argument("--restart", action="store_true", help="forget an interrupted training")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # shut down cleanly, as on Ctrl-C
    trainer = Trainer(
        options.scale, options.folder, options.models, options.seed, options.device, options.learning_rate
    )
    if not options.restart and trainer.resume():
        logger.info("resuming at step %d", trainer.progress.step)
    pairs = esrgan_data.load_pairs(options.folder, options.pictures, options.seed)
    train(trainer, pairs, options.minutes or DEFAULT_MINUTES[options.scale], options.steps)
    logger.info("%d steps in %.1f minutes", trainer.progress.step, trainer.progress.seconds / 60)


if __name__ == "__main__":
    main()

"""Measures a frame interpolation model on held-out clips, against blending the two neighbours.

    python -m workers.tiny.training.evaluate_film [--model FOLDER] [--scenes 400]

The figure is PSNR of the squared error pooled over all frames of a row, after rounding to 8 bits: it is dominated by
the few frames with much motion, which static frames cannot mask.
"""

import argparse
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from generation.catalogue.entries import BUILTIN_MODELS
from workers.tiny.training import film_data
from workers.tiny.world import foreign
from workers.tiny.world import scenes as world

SHIPPED = BUILTIN_MODELS / "film"
SPACING = 1 / film_data.BASE_FPS  # seconds between base frames
TIMES = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4)

Interpolate = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""x0, x1 float32 [B, H, W, 3] in 0..1 and time float32 [B, 1] to the frames in between, like x0."""


@dataclass(frozen=True)
class Triplet:
    """Two frames and the true one at `time`: uint8 [H, W, 3]; `kind` describes the motion."""

    x0: np.ndarray
    between: np.ndarray
    x1: np.ndarray
    time: float
    kind: str


@dataclass(frozen=True)
class Row:
    """PSNR in dB of the blend and of the model over `count` frames."""

    name: str
    count: int
    blend: float
    model: float

    @property
    def gain(self) -> float:
        return self.model - self.blend


def held_out_triplets(count: int, time: float, height: int = 64, width: int = 64, seed: int = 1) -> list[Triplet]:
    """Yield neighbouring base frames of held-out scenes, with the true frame at `time` (0..1)."""
    rng = np.random.default_rng(seed)
    triplets = []
    for _ in range(count):
        scene = world.sample_scene(rng, held_out=True)
        times = rng.uniform(0, film_data.LONGEST_START) + SPACING * np.array([0.0, time, 1.0])
        triplets.append(Triplet(*world.draw(scene, times, height, width), time, scene.motion))
    return triplets


def other_triplets(count: int, height: int = 64, width: int = 64, seed: int = 2) -> list[Triplet]:
    """Yield textured bodies over textured backgrounds at random times: not the tiny world."""
    rng = np.random.default_rng(seed)
    samples = [film_data.sample_other(rng, height, width) for _ in range(count)]
    as_bytes = [[_to_bytes(x) for x in (s.x0, s.between, s.x1)] for s in samples]
    return [Triplet(*frames, s.time, "other") for frames, s in zip(as_bytes, samples, strict=True)]


def foreign_triplets(count: int, time: float = 0.5, side: int = 64, seed: int = 3) -> list[Triplet]:
    """Yield moving textures, letters and drawings never used in training (`workers.tiny.world.foreign`)."""
    rng = np.random.default_rng(seed)
    return [Triplet(*foreign.draw_triplet(rng, time, side, side), time, "foreign") for _ in range(count)]


def measure(name: str, triplets: list[Triplet], interpolate: Interpolate, batch: int = 16) -> Row:
    """Return the PSNR of the model and of the linear blend (weights 1 - time and time) over the triplets."""
    blend_error, model_error = [], []
    for start in range(0, len(triplets), batch):
        part = triplets[start : start + batch]
        x0, x1, truth = (np.stack([getattr(t, name) for t in part]) for name in ("x0", "x1", "between"))
        x0, x1 = x0.astype(np.float32) / 255.0, x1.astype(np.float32) / 255.0
        time = np.array([[t.time] for t in part], np.float32)
        weight = time[:, :, None, None]
        blend_error.append(_squared_error(x0 * (1 - weight) + x1 * weight, truth))
        model_error.append(_squared_error(interpolate(x0, x1, time), truth))
    return Row(name, len(triplets), _psnr(blend_error), _psnr(model_error))


def _to_bytes(image: np.ndarray) -> np.ndarray:
    return np.round(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def _squared_error(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    difference = _to_bytes(image).astype(np.float32) - truth.astype(np.float32)
    return np.square(difference).mean(axis=(1, 2, 3))


def _psnr(errors: Iterable[np.ndarray]) -> float:
    """Return the peak signal-to-noise ratio in dB of 8-bit values, from mean squared errors of equally large frames."""
    return 10.0 * math.log10(255.0**2 / max(float(np.concatenate(list(errors)).mean()), 1e-6))


def load(path: Path) -> Interpolate:
    """Return a SavedModel as a function of arrays."""
    import tensorflow as tf

    model = tf.saved_model.load(str(path))

    def interpolate(x0: np.ndarray, x1: np.ndarray, time: np.ndarray) -> np.ndarray:
        inputs = {"x0": tf.constant(x0), "x1": tf.constant(x1), "time": tf.constant(time)}
        return model(inputs)["image"].numpy()

    return interpolate


def table(interpolate: Interpolate, scenes: int) -> Iterable[Row]:
    """Return all rows: each time, each motion at the midpoint, larger and non-square frames, and other images."""
    for time in TIMES:
        yield measure(f"64x64, t = {time:.3g}", held_out_triplets(scenes, time), interpolate)
    middle = held_out_triplets(scenes * 2, 0.5, seed=3)
    for motion in world.MOTIONS:
        part = [t for t in middle if t.kind == motion]
        if part:
            yield measure(f"64x64, t = 0.5, {motion}", part, interpolate)
    for width, height in ((128, 64), (64, 128), (256, 256), (512, 512)):
        part = held_out_triplets(max(8, scenes * 64 * 64 // (width * height)), 0.5, height, width, seed=4)
        yield measure(f"{width}x{height}, t = 0.5", part, interpolate, max(1, 65536 // (width * height)))
    yield measure("other pictures, 64x64, any t", other_triplets(scenes), interpolate)
    yield measure("foreign pictures, 64x64, t = 0.5", foreign_triplets(scenes), interpolate)
    yield measure("foreign pictures, 128x128, t = 0.5", foreign_triplets(max(8, scenes // 4), side=128), interpolate, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=SHIPPED, help="folder of a SavedModel")
    parser.add_argument("--scenes", type=int, default=400, help="how many scenes a row")
    arguments = parser.parse_args()
    print(f"{'held-out clips, spacing 1/8 s':36} {'frames':>6} {'blend':>7} {'model':>7} {'gain':>7}   (PSNR, dB)")
    for row in table(load(arguments.model), arguments.scenes):
        print(f"{row.name:36} {row.count:6d} {row.blend:7.2f} {row.model:7.2f} {row.gain:+7.2f}", flush=True)


if __name__ == "__main__":
    main()

"""Measures interpolation and upscaling against the plain loop, frame by frame, at several sizes.

    python -m scripts.bench_engines.batches film|real-esrgan [--sizes 64 128 256] [--turns 5]

Prints the ratio loop / engine of processor time, over turns that alternate. torch and TensorFlow need a process each.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from scripts.bench_engines.turns import ratio, take_turns
from workers.engines.batching import BatchSizes

MODELS = Path(__file__).resolve().parents[2] / "workers" / "tiny" / "models"
PIXELS = 24 * 64 * 64  # of one run, so that larger frames do not take forever: a chunk of the default clip


class OneByOne(BatchSizes):
    """The plain loop."""

    def choose(self, _key: object, _most: int) -> int:
        return 1


def film(batches: BatchSizes) -> Callable[[np.ndarray], object]:
    from workers.engines.film import FilmEngine

    engine = FilmEngine(MODELS / "film", batches=batches)
    return lambda frames: engine.interpolate(frames, 3, lambda *_: None)


def real_esrgan(batches: BatchSizes) -> Callable[[np.ndarray], object]:
    from workers.engines.realesrgan import RealEsrganEngine

    paths = {scale: MODELS / "real-esrgan" / f"RealESRGAN_tiny_x{scale}.safetensors" for scale in (2, 4)}
    engine = RealEsrganEngine(paths, batches=batches)
    return lambda frames: engine.upscale(frames, 4)


ENGINES = {"film": film, "real-esrgan": real_esrgan}


def frames_of(side: int) -> np.ndarray:
    """Return smooth moving noise, uint8 [N, side, side, 3]; at least three frames."""
    count = max(3, PIXELS // side**2)
    rng = np.random.default_rng(side)
    coarse = rng.integers(0, 256, (1, side // 8, side // 8, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    return np.concatenate([np.roll(coarse, shift, axis=2) for shift in range(count)])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure batches against the plain loop.")
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    make, chosen = ENGINES[options.engine], BatchSizes()
    variants = {"loop": make(OneByOne()), "engine": make(chosen)}
    for side in options.sizes:
        frames = frames_of(side)
        # As many runs as it takes to settle: the measurement itself is not what is measured.
        for _ in range(3):
            variants["engine"](frames)
        runs = {name: lambda run=run, frames=frames: run(frames) for name, run in variants.items()}
        seconds = take_turns(runs, options.turns)
        found = ratio(seconds["loop"], seconds["engine"])
        print(f"{options.engine} {side}x{side}, {len(frames)} frames: loop / engine {found}", flush=True)


if __name__ == "__main__":
    main()

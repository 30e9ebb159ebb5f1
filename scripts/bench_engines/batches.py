"""Measures interpolation and upscaling in batches against the plain loop, frame by frame, at several sizes.

    python -m scripts.bench_engines.batches film|real-esrgan [--sizes 64 96 128 256] [--batches 2 4 8 16] [--turns 5]

Prints the ratio loop / batches of processor time, over turns that alternate, and which batches the engine uses at each
size on the CPU. Exits with 1 if those cost more than `NOISE` anywhere. torch and TensorFlow need a process each.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from scripts.bench_engines.turns import ratio, take_turns

MODELS = Path(__file__).resolve().parents[2] / "workers" / "tiny" / "models"
FRAMES = 16  # of one run, at every size
NOISE = 0.05
# Takes frames, uint8 [N, side, side, 3], and computes them in batches of the second argument.
Compute = Callable[[np.ndarray, int], object]
# Takes a side and returns the size of batches that the engine uses.
Rule = Callable[[int], int]


def film() -> tuple[Compute, Rule]:
    from workers.engines.film import HOST_PIXELS, FilmEngine, pad
    from workers.engines.tensorflow_device import tensorflow

    engine, tf = FilmEngine(MODELS / "film", device="cpu"), tensorflow()
    engine.load()

    def compute(frames: np.ndarray, batch: int) -> None:
        padded = pad(frames, 64).astype(np.float32) / 255
        for start in range(0, len(frames), batch):
            first = padded[start : start + batch]
            engine._call(tf, first, np.roll(first, 2, axis=2), [0.5] * len(first))

    return compute, lambda side: max(1, HOST_PIXELS // (side + -side % 64) ** 2)


def real_esrgan() -> tuple[Compute, Rule]:
    from workers.engines.upscale_network import Network

    network = Network(MODELS / "real-esrgan" / "RealESRGAN_tiny_x4.safetensors", 4, "cpu", "auto")

    def compute(frames: np.ndarray, batch: int) -> None:
        for start in range(0, len(frames), batch):
            network.enlarge(frames[start : start + batch], None)

    return compute, lambda side: network.first_mode(side, side).batch


ENGINES = {"film": film, "real-esrgan": real_esrgan}


def frames_of(side: int) -> np.ndarray:
    """Return smooth moving noise, uint8 [FRAMES, side, side, 3]."""
    rng = np.random.default_rng(side)
    coarse = rng.integers(0, 256, (1, side // 8, side // 8, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    return np.concatenate([np.roll(coarse, shift, axis=2) for shift in range(FRAMES)])


def measure(name: str, side: int, batches: set[int], used: int, compute: Compute, turns: int) -> bool:
    """Print the ratios at one size. Return whether the batches in use pay, or cost no more than noise."""
    frames, pays = frames_of(side), True
    sizes = sorted({1, used, *batches})
    seconds = take_turns({str(size): partial(compute, frames, size) for size in sizes}, turns)
    print(f"{name} {side}x{side}: {1000 * min(seconds['1']) / FRAMES:.1f} ms a frame, one by one", flush=True)
    for size in sizes:
        found = ratio(seconds["1"], seconds[str(size)])
        print(f"  batches of {size}: loop / batches {found}{', in use' if size == used else ''}", flush=True)
        pays &= size != used or found.median >= 1 - NOISE
    return pays


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure batches against the plain loop.")
    parser.add_argument("engine", choices=ENGINES)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96, 128, 256])
    parser.add_argument("--batches", type=int, nargs="+", default=[2, 4, 8, 16])
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    compute, rule = ENGINES[options.engine]()
    verdicts = [
        measure(options.engine, side, set(options.batches), min(rule(side), FRAMES), compute, options.turns)
        for side in options.sizes
    ]
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()

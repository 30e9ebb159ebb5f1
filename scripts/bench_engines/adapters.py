"""Measures changing the motion adapter of a warm engine against loading the base with the other adapter.

    python -m scripts.bench_engines.adapters [--turns 5] [--large]

Without `--large`, with the models that ship. With it, with random weights at twice the widths of the tests' small
models and more, in a temporary folder. Memory is the peak of a process that does one change, above what it held before.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from scripts.bench_engines.turns import ratio, take_turns

TINY = Path(__file__).resolve().parents[2] / "workers" / "tiny" / "models"
VARIANTS = ("reload", "swap")


def engine_of(base: Path, adapter: Path) -> Any:
    from workers.engines.animatediff.engine import AnimateDiffEngine

    return AnimateDiffEngine(base, adapter, device="cpu")


def change(engine: Any, adapter: Path, variant: str) -> Any:
    """Return an engine with another adapter. As the registry did, "reload" keeps the first one meanwhile."""
    from workers.engines.animatediff.engine import Motion
    from workers.engines.files.source import Source

    if variant == "reload":
        second = engine_of(engine.base, adapter)
        second.load()
        return second
    engine.use(Motion(adapter, None, 16, 4, Source(adapter.name)))
    return engine


def peak_mb() -> float:
    """Return the most memory that this process held so far, in 10^6 bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def one_change(base: Path, adapters: list[Path], variant: str) -> None:
    """Print how much one change raises the peak: each needs a process of its own."""
    engine = engine_of(base, adapters[0])
    engine.load()
    before = peak_mb()
    kept = change(engine, adapters[1], variant)
    print(json.dumps({"weights": kept.memory_bytes / 1e6, "raised": peak_mb() - before}))


def write_large(folder: Path) -> tuple[Path, list[Path]]:
    """Write random models of 0.9 GB in Stable Diffusion's layout."""
    from tests import full_size_models as models

    widths = models.Widths(unet=(160, 320, 640, 640), vae=(32, 32, 32, 32), text=256, text_layers=4, text_heads=4)
    base = models.write_base(folder / "base", widths)
    return base, [models.write_adapter(folder / f"adapter-{n}", widths, seed=n) for n in (1, 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure changing a motion adapter.")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--one", nargs=4, metavar=("VARIANT", "BASE", "ADAPTER", "ADAPTER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        variant, base, *adapters = options.one
        one_change(Path(base), [Path(adapter) for adapter in adapters], variant)
        return
    with tempfile.TemporaryDirectory() as folder:
        base, adapters = TINY / "text-to-video", [TINY / "motion-adapter"] * 2
        if options.large:
            base, adapters = write_large(Path(folder))
        else:  # the same weights under another path
            adapters[1] = Path(folder) / "motion-adapter"
            adapters[1].symlink_to(adapters[0])
        measure(base, adapters, options.turns)


def measure(base: Path, adapters: list[Path], turns: int) -> None:
    for variant in VARIANTS:
        command = [sys.executable, "-m", "scripts.bench_engines.adapters", "--one", variant, base, *adapters]
        words = [str(part) for part in command]
        answer = subprocess.run(words, capture_output=True, text=True, check=True)  # noqa: S603  a module of ours
        found = json.loads(answer.stdout)
        print(f"{variant}: peak {found['raised']:+.0f} MB above the first, weights {found['weights']:.0f} MB")
    engine = engine_of(base, adapters[0])
    engine.load()
    turn = {"reload": 0, "swap": 0}

    def run(variant: str) -> None:
        turn[variant] += 1
        change(engine, adapters[turn[variant] % 2], variant)

    seconds = take_turns({name: partial(run, name) for name in VARIANTS}, turns)
    for name, found in seconds.items():
        print(f"{name}: {min(found):.2f} s of processor time at best")
    print(f"reload / swap: {ratio(seconds['reload'], seconds['swap'])}")


if __name__ == "__main__":
    main()

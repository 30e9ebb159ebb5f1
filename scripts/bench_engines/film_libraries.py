"""Measures FILM in torch against TensorFlow on the CPU: from the start of a process to its first frame, and per frame.

    python -m scripts.bench_engines.film_libraries [--model FOLDER] [--sizes 64 128 256] [--turns 5] [--no-start]

Prints processor time, and ratios TensorFlow / torch over turns that alternate. Each library has processes of its own.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from subprocess import DEVNULL, PIPE
from time import process_time
from typing import IO, cast

from scripts.bench_engines.batches import FRAMES, MODELS, frames_of
from scripts.bench_engines.turns import ratio, take_turns
from workers.engines.film import FilmEngine
from workers.engines.film_torch.engine import TorchFilmEngine
from workers.engines.importing import uncollected

LIBRARIES = ("tensorflow", "torch")


class Child:
    """A process that holds the model in one library, and adds up the processor time of what it is told to do."""

    def __init__(self, library: str, model: Path) -> None:
        self._process = subprocess.Popen(  # noqa: S603  a module of ours
            command(library, model), stdin=PIPE, stdout=PIPE, text=True
        )
        self._orders, self._answers = cast(IO[str], self._process.stdin), cast(IO[str], self._process.stdout)
        self.seconds = 0.0

    def interpolate(self, side: int, frames: int) -> None:
        print(json.dumps([side, frames]), file=self._orders, flush=True)
        self.seconds += float(self._answers.readline())

    def end(self) -> None:
        self._orders.close()
        self._process.wait()


def serve(library: str, model: Path) -> None:
    """Interpolate as told on standard input, and print the processor time of each."""
    engine = load(library, model)
    for line in sys.stdin:
        side, count = json.loads(line)
        frames = frames_of(side)[: count + 1]
        started = process_time()
        engine.interpolate(frames, 2, lambda done, total, preview: None)
        print(process_time() - started, flush=True)


def load(library: str, model: Path) -> FilmEngine:
    engine = (TorchFilmEngine if library == "torch" else FilmEngine)(model, "cpu")
    with uncollected():  # as the workers do
        engine.load()
    return engine


def report(
    what: str, variants: Mapping[str, Callable[[], object]], turns: int, clock: Callable[[], float], unit: int
) -> None:
    seconds = take_turns(variants, turns, clock)
    each = ", ".join(f"{name} {min(found) / unit:.3f} s" for name, found in seconds.items())
    print(f"{what}: {each}; TensorFlow / torch {ratio(*(seconds[name] for name in LIBRARIES))}", flush=True)


def start(library: str, model: Path) -> None:
    """Run a process that loads the model and computes a frame."""
    subprocess.run(  # noqa: S603  a module of ours
        command(library, model), input="[64, 1]\n", text=True, stdout=DEVNULL, check=True
    )


def command(library: str, model: Path) -> list[str]:
    return [sys.executable, "-m", "scripts.bench_engines.film_libraries", "--child", library, "--model", str(model)]


def time_of_ended_processes() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure FILM in torch against TensorFlow.")
    parser.add_argument("--model", type=Path, default=MODELS / "film")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--frames", type=int, default=FRAMES - 1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--no-start", action="store_true")
    parser.add_argument("--child", choices=LIBRARIES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        serve(options.child, options.model)
        return
    if not options.no_start:
        starts = {name: partial(start, name, options.model) for name in LIBRARIES}
        report("process to first frame", starts, options.turns, time_of_ended_processes, 1)
    children = {name: Child(name, options.model) for name in LIBRARIES}
    for side in options.sizes:
        variants = {name: partial(child.interpolate, side, options.frames) for name, child in children.items()}
        clock = partial(_total, children)
        report(f"a frame of {side}x{side}", variants, options.turns, clock, options.frames)
    for child in children.values():
        child.end()


def _total(children: dict[str, Child]) -> float:
    return sum(child.seconds for child in children.values())


if __name__ == "__main__":
    main()

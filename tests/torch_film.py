"""Computes frames with FILM in torch, for tests whose own process has TensorFlow.

python -m tests.torch_film FOLDER    # reads FOLDER/cases.npz, writes FOLDER/answers.npz
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from workers.engines.film_torch.engine import TorchFilmEngine


@dataclass(frozen=True)
class Case:
    """Pairs of frames, float32 [B, H, W, 3] in 0..1, for the model in a folder, and the times between them."""

    model: Path
    x0: np.ndarray
    x1: np.ndarray
    times: tuple[float, ...]


def answers(cases: list[Case], folder: Path) -> list[np.ndarray]:
    """Return torch's answer to each case: float32 [B, H, W, 3]."""
    arrays = {}
    for index, case in enumerate(cases):
        values = {"model": str(case.model), "x0": case.x0, "x1": case.x1, "times": case.times}
        arrays |= {f"{name}{index}": value for name, value in values.items()}
    np.savez(folder / "cases.npz", **arrays)
    subprocess.run([sys.executable, "-m", "tests.torch_film", str(folder)], check=True)
    found = np.load(folder / "answers.npz")
    return [found[str(index)] for index in range(len(cases))]


def main(folder: Path) -> None:
    given, found, engines = np.load(folder / "cases.npz"), {}, {}
    for index in range(len(given.files) // 4):
        model = str(given[f"model{index}"])
        if model not in engines:
            engines[model] = TorchFilmEngine(Path(model), "cpu")
            engines[model].load()
        engine = engines[model]
        pairs = (given[f"x0{index}"], given[f"x1{index}"], list(given[f"times{index}"]))
        found[str(index)] = engine._call(engine._import(), *pairs)
    np.savez(folder / "answers.npz", **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

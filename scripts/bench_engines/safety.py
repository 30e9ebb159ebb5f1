"""What the built-in safety check scores harmless pictures, and how long it takes: `make bench-safety`, run by hand.

Looks, with the real network, at clips that the tiny models render for the prompts of their evaluation, at photographs
and drawings that packages ship (scikit-image, scikit-learn, matplotlib; nothing of them is kept), at 200 tiny pictures,
and at plain colours, skin among them. There are no nude pictures. The table goes into docs/security.md.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
from django.core.files.base import File
from PIL import Image
from tqdm import tqdm

from workers import media
from workers.media import stills
from workers.safety.look import look
from workers.safety.network import NAME, Network

PACKAGES = ("scikit-image", "scikit-learn")
THRESHOLDS = (0.3, 0.7, 0.9)
SIDE, FPS, FRAMES = 256, 8, 17
COLOURS = ("black", "white", "grey", "red", "pink", "#ffdbac", "#e8beac", "#c68642", "#8d5524", "#3b2219")


class _Stored:
    """A file as a field of a model gives it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, mode: str) -> File:
        return File(self.path.open(mode))


def clips(count: int) -> Iterator[tuple[str, float, float]]:
    """Yield (prompt, highest score, seconds) of rendered clips."""
    from workers.tiny.training.evaluate import generate, load_pipeline
    from workers.tiny.world.prompts import evaluation_prompts

    pipeline = load_pipeline()
    for number, (prompt, _scene) in enumerate(tqdm(evaluation_prompts(count), mininterval=5)):
        frames = generate(pipeline, prompt, number, 16, 3.5, FRAMES)
        frames = np.stack([np.asarray(Image.fromarray(frame).resize((SIDE, SIDE))) for frame in frames])
        with tempfile.TemporaryDirectory() as folder:
            video, poster = Path(folder, "video.mp4"), Path(folder, "poster.webp")
            media.encode(frames, video, fps=FPS, format="mp4")
            stills.poster(frames[0], poster)
            started = time.perf_counter()
            found = look({"video": _Stored(video), "poster": _Stored(poster)}, FRAMES, FPS)
            yield prompt, max(score for _second, score in found["scores"]), time.perf_counter() - started


def photographs(folder: Path) -> Iterator[tuple[str, Image.Image]]:
    sources = [folder / "skimage" / "data", folder / "sklearn" / "datasets" / "images"]
    sources.append(Path(mpl.get_data_path()) / "sample_data")
    for path in sorted(path for source in sources for path in source.iterdir()):
        if path.suffix in (".jpg", ".png"):
            yield path.name, Image.open(path).convert("RGB")


def faces(folder: Path) -> Iterator[tuple[str, Image.Image]]:
    """Yield 100 faces, and 100 pictures that are none, of 25 x 25 pixels, from Labeled Faces in the Wild."""
    for number, face in enumerate(np.load(folder / "skimage" / "data" / "lfw_subset.npy")):
        yield f"lfw {number}", Image.fromarray((255 * face).astype(np.uint8)).convert("RGB")


def report(name: str, scores: dict[str, float]) -> None:
    values = np.array(list(scores.values()))
    worst = max(scores, key=lambda each: scores[each])
    flagged = " | ".join(str(int((values >= threshold).sum())) for threshold in THRESHOLDS)
    print(f"| {name} | {len(values)} | {np.median(values):.3f} | {values.max():.2f} ({worst}) | {flagged} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--packages", type=Path, help="a folder in which scikit-image and scikit-learn are unpacked")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.packages or Path(scratch)
        if options.packages is None:
            uv = Path(sys.executable).with_name("uv")
            command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
            subprocess.run(command, check=True)  # noqa: S603  our own command
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = time.perf_counter()
        network = Network()
        loaded = time.perf_counter() - started
        pictures = {
            "photographs and drawings": photographs(folder),
            "pictures of 25 x 25": faces(folder),
            "plain colours": ((colour, Image.new("RGB", (SIDE, SIDE), colour)) for colour in COLOURS),
        }
        tables: dict[str, dict[str, float]] = {}
        taken: list[float] = []
        for name, found in pictures.items():
            tables[name] = {}
            for each, picture in found:
                started = time.perf_counter()
                tables[name][each] = next(network.scores([picture]))
                taken.append(time.perf_counter() - started)
        memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        rendered = list(clips(options.clips))
    print(f"{NAME}: loading {loaded:.2f} s, a picture {1000 * np.median(taken):.0f} ms, memory +{memory:.0f} MB")
    print(f"A clip of {FRAMES / FPS:.0f} s, with loading: {np.median([clip[2] for clip in rendered]):.2f} s (median)\n")
    print(f"| what | count | median | highest | {' | '.join(f'≥ {threshold:.2f}' for threshold in THRESHOLDS)} |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    report("clips of the tiny models", {prompt: score for prompt, score, _taken in rendered})
    for name, scores in tables.items():
        report(name, scores)


if __name__ == "__main__":
    main()

"""Measures the tiny upscaler against bicubic: `python -m workers.tiny.training.evaluate_esrgan`.

Prints, for each kind of image, the mean PSNR of bicubic and of the network, and the mean and minimum gain, and writes a
comparison of enlarged crops as a PNG. No measured image was trained on: world frames use held-out combinations,
ordinary images have their own seeds, and the lower part of the table has its own recipes.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from workers.engines.realesrgan import RealEsrganEngine
from workers.tiny.training.esrgan_data import LONGEST_CLIP, SIZE, enlarge_bicubic, psnr, shrink
from workers.tiny.training.train_esrgan import MODELS, checkpoint_path
from workers.tiny.world import pictures
from workers.tiny.world import scenes as world

KERNELS = {"bicubic": Image.Resampling.BICUBIC, "area": Image.Resampling.BOX}
MEASURING_SEED = 90_001
WORLD_KIND = "world, held out"
DRAWN_SMALL_KIND = "world, drawn small"


@dataclass(frozen=True)
class Gain:
    """PSNR in dB for one kind of image: means of bicubic and of the network, mean and minimum gain."""

    bicubic: float
    network: float
    mean: float
    least: float


def world_frame(rng: np.random.Generator, side: int, *others: int) -> list[np.ndarray]:
    """Return a frame of a held-out scene, drawn at each of the given sides: uint8 [side, side, 3] each."""
    scene = world.sample_scene(rng, held_out=True)
    times = np.array([rng.uniform(0, LONGEST_CLIP)])
    return [world.draw(scene, times, each, each)[0] for each in (side, *others)]


def measured_pairs(kind: str, scale: int, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (large, small) images of one kind, shrunk by bicubic and by area averaging in turn."""
    for index in range(count):
        rng = np.random.default_rng([MEASURING_SEED, index])
        if kind == DRAWN_SMALL_KIND:
            yield tuple(world_frame(rng, SIZE, SIZE // scale))
            continue
        if kind == WORLD_KIND:
            large = world_frame(rng, SIZE)[0]
        else:
            large = (pictures.TRAINED | pictures.UNSEEN)[kind](rng, SIZE)
        yield large, shrink(large, scale, list(KERNELS.values())[index % 2])


def kinds() -> list[str]:
    """Return all measured kinds, in table order."""
    return [WORLD_KIND, DRAWN_SMALL_KIND, *pictures.TRAINED, *pictures.UNSEEN]


def measure(engine: RealEsrganEngine, kind: str, scale: int, count: int) -> Gain:
    """Compare the network with bicubic on `count` images of one kind."""
    pairs = list(measured_pairs(kind, scale, count))
    enlarged = engine.upscale(np.stack([small for _, small in pairs]), scale)
    ours = np.array([psnr(picture, large) for picture, (large, _) in zip(enlarged, pairs, strict=True)])
    theirs = np.array([psnr(enlarge_bicubic(small, scale), large) for large, small in pairs])
    return Gain(theirs.mean(), ours.mean(), (ours - theirs).mean(), (ours - theirs).min())


def flat_error(engine: RealEsrganEngine, scale: int, count: int) -> int:
    """Return the largest error, in grey levels, on single-colour images (all pixels, edges included)."""
    rng = np.random.default_rng(MEASURING_SEED)
    corners = np.array([(r, g, b) for r in (0, 255) for g in (0, 255) for b in (0, 255)])
    colours = np.concatenate([corners, rng.integers(0, 256, (count, 3))]).astype(np.uint8)
    small = np.broadcast_to(colours[:, None, None], (len(colours), 32, 32, 3))
    enlarged = engine.upscale(np.ascontiguousarray(small), scale)
    return int(np.abs(enlarged.astype(int) - colours[:, None, None]).max())


def draw_comparison(engine: RealEsrganEngine, scale: int, path: Path, side: int = 72, zoom: int = 3) -> None:
    """Draw crops side by side: the small image, bicubic, the network, the original; one row per kind."""
    rows = []
    for kind in (name for name in kinds() if name != "flat"):
        large, small = next(measured_pairs(kind, scale, 1))
        versions = (
            np.repeat(np.repeat(small, scale, 0), scale, 1),
            enlarge_bicubic(small, scale),
            engine.upscale(small[None], scale)[0],
            large,
        )
        top, left = _busiest_crop(large, side)
        crops = [version[top : top + side, left : left + side] for version in versions]
        rows.append(np.repeat(np.repeat(np.concatenate(crops, axis=1), zoom, 0), zoom, 1))
    sheet = Image.fromarray(np.concatenate(rows))
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(("small", "bicubic", f"tiny x{scale}", "original")):
        pen.text((column * side * zoom + 4, 2), name, fill=(255, 0, 255))
    sheet.save(path)


def _busiest_crop(picture: np.ndarray, side: int) -> tuple[int, int]:
    places = [(y, x) for y in range(0, SIZE - side, 16) for x in range(0, SIZE - side, 16)]
    return max(places, key=lambda p: picture[p[0] : p[0] + side, p[1] : p[1] + side].std())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", type=int, nargs="+", default=[4, 2])
    parser.add_argument("--count", type=int, default=24, help="pictures of each kind")
    parser.add_argument("--folder", type=Path, default=Path("var/train"), help="where the comparisons go")
    parser.add_argument("--models", type=Path, default=MODELS, help="where the weights are")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    engine = RealEsrganEngine({scale: checkpoint_path(scale, options.models) for scale in options.scales})
    for scale in options.scales:
        print(f"\nx{scale}: PSNR in dB, {options.count} pictures of each kind\n")
        print(f"| {'kind':<18} | bicubic | network | gain  | least |\n|{'-' * 20}|--------:|--------:|------:|------:|")
        for kind in kinds():
            gain = measure(engine, kind, scale, options.count)
            figures = f"{gain.bicubic:7.2f} | {gain.network:7.2f} | {gain.mean:+5.2f} | {gain.least:+5.2f}"
            print(f"| {kind:<18} | {figures} |", flush=True)
        print(f"\nlargest error on flat colours: {flat_error(engine, scale, 200)} of 255")
        draw_comparison(engine, scale, options.folder / f"esrgan-x{scale}-crops.png")


if __name__ == "__main__":
    main()

"""Training data of the tiny upscaler: pairs of a large image and the small one to reconstruct it from.

Pairs are drawn once and cached as plain arrays (a few hundred megabytes below `var/train/`), so that training only cuts
patches. All images are uint8 RGB.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from tqdm import tqdm

from workers.tiny.world import pictures
from workers.tiny.world import scenes as world

logger = logging.getLogger(__name__)

SIZE = 256
SCALES = (2, 4)
WORLD_SHARE = 0.5
KINDS = ("world", *pictures.TRAINED)
# Within the ordinary images: more of those that a sharpening network is likely to spoil.
ORDINARY_SHARES = {
    "flat": 0.03,
    "gradient": 0.12,
    "waves": 0.22,
    "text": 0.14,
    "noise": 0.25,
    "lines": 0.10,
    "checkerboard": 0.06,
    "leaves": 0.08,
}
DEGRADED_SHARE = 0.15
DRAWN_SMALL_SHARE = 0.3
ENLARGED_SHARE = 0.3
LONGEST_CLIP = 6.0
CACHE_VERSION = 2


@dataclass(frozen=True)
class Pairs:
    """`large` uint8 [N, 256, 256, 3]; `small[scale]` uint8 [N, 256/scale, ...]; `kind` index into KINDS [N]."""

    large: np.ndarray
    small: dict[int, np.ndarray]
    kind: np.ndarray


def shrink(picture: np.ndarray, scale: int, kernel: Image.Resampling) -> np.ndarray:
    """Reduce uint8 [H, W, 3] by `scale`, antialiased, with Pillow's kernel (BICUBIC or BOX, which is area)."""
    height, width = picture.shape[0] // scale, picture.shape[1] // scale
    return np.asarray(Image.fromarray(picture).resize((width, height), kernel))


def enlarge_bicubic(picture: np.ndarray, scale: int) -> np.ndarray:
    """Return Pillow's bicubic enlargement of uint8 [H, W, 3], the baseline to beat."""
    size = (picture.shape[1] * scale, picture.shape[0] * scale)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Return the peak signal-to-noise ratio in dB of two uint8 arrays of one shape, over all channels; 99 if equal."""
    error = float(np.mean((first.astype(np.float64) - second.astype(np.float64)) ** 2))
    return 99.0 if error == 0 else 10 * np.log10(255.0**2 / error)


def _degrade(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Degrade a frame slightly, as a decoder does: a little blur or noise, never a colour shift."""
    if rng.random() < 0.5:
        soft = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(rng.uniform(0.25, 0.6)))
        return np.asarray(soft)
    grain = rng.normal(0.0, rng.uniform(0.5, 2.5), picture.shape)
    return (np.clip(picture + grain, 0, 255) + 0.5).astype(np.uint8)


def _world_pair(rng: np.random.Generator) -> tuple[np.ndarray, dict[int, np.ndarray] | None]:
    """Return a frame at 256 pixels, or a quarter of one at 512 (as in the second of two enlargements).

    Some small images are drawn small rather than shrunk, like the frames the diffusion model learned from.
    """
    scene = world.sample_scene(rng)
    times = np.array([rng.uniform(0, LONGEST_CLIP)])
    side = SIZE * (2 if rng.random() < ENLARGED_SHARE else 1)
    cut = (rng.integers(0, (side - SIZE) // 4 + 1, 2) * 4).tolist()

    def drawn(scale: int) -> np.ndarray:
        frame = world.draw(scene, times, side // scale, side // scale)[0]
        top, left = cut[0] // scale, cut[1] // scale
        return frame[top : top + SIZE // scale, left : left + SIZE // scale]

    small = {scale: drawn(scale) for scale in SCALES} if rng.random() < DRAWN_SMALL_SHARE else None
    return drawn(1), small


def make_pair(rng: np.random.Generator) -> tuple[np.ndarray, dict[int, np.ndarray], int]:
    """Draw one large image and its small ones: (uint8 [256, 256, 3], {scale: uint8}, index into KINDS)."""
    small = None
    if rng.random() < WORLD_SHARE:
        name = "world"
        large, small = _world_pair(rng)
    else:
        name = str(rng.choice(list(ORDINARY_SHARES), p=list(ORDINARY_SHARES.values())))
        large = pictures.TRAINED[name](rng, SIZE)
    if small is None:
        kernel = Image.Resampling.BICUBIC if rng.random() < 0.5 else Image.Resampling.BOX
        small = {scale: shrink(large, scale, kernel) for scale in SCALES}
    if rng.random() < DEGRADED_SHARE:
        small = {scale: _degrade(picture, rng) for scale, picture in small.items()}
    return large, small, KINDS.index(name)


def load_pairs(folder: Path, count: int, seed: int) -> Pairs:
    """Open the cache in `folder`; draw `count` pairs first if it is missing or was made with other settings."""
    target = folder / f"esrgan-pairs-v{CACHE_VERSION}-{seed}-{count}"
    if not (target / "kind.npy").exists():
        _draw_cache(target, count, seed)
    opened = {path.stem: np.load(path, mmap_mode="r") for path in target.glob("*.npy")}
    return Pairs(opened["large"], {scale: opened[f"small{scale}"] for scale in SCALES}, np.array(opened["kind"]))


def _draw_cache(target: Path, count: int, seed: int) -> None:
    target.mkdir(parents=True, exist_ok=True)
    shapes = {"large": SIZE, **{f"small{scale}": SIZE // scale for scale in SCALES}}
    files = {
        name: np.lib.format.open_memmap(target / f"{name}.npy", "w+", np.uint8, (count, side, side, 3))
        for name, side in shapes.items()
    }
    kinds = np.zeros(count, np.uint8)
    for index in tqdm(range(count), desc="pictures", unit="picture"):
        large, small, kinds[index] = make_pair(np.random.default_rng([seed, index]))
        files["large"][index] = large
        for scale, picture in small.items():
            files[f"small{scale}"][index] = picture
    for file in files.values():
        file.flush()
    np.save(target / "kind.npy", kinds)  # written last: its presence marks a complete cache
    logger.info("drew %d pairs into %s", count, target)


def cut_batch(
    pairs: Pairs, scale: int, batch: int, side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Cut random patches, rotated, mirrored, with channels swapped and sometimes inverted.

    Returns:
        float32 [batch, 3, side, side] and [batch, 3, side * scale, side * scale], both in 0..1.
    """
    small, large = [], []
    for _ in range(batch):
        index = int(rng.integers(len(pairs.kind)))
        top, left = _busiest_place(pairs.small[scale][index], side, rng)
        window = np.s_[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        change = _random_change(rng)
        small.append(change(pairs.small[scale][index, top : top + side, left : left + side]))
        large.append(change(pairs.large[index][window]))
    return tuple(np.moveaxis(np.stack(side), -1, 1).astype(np.float32) / 255.0 for side in (small, large))


def _busiest_place(picture: np.ndarray, side: int, rng: np.random.Generator) -> tuple[int, int]:
    """Return the best of three random places two times out of three: most of a frame is empty background."""
    places = rng.integers(0, picture.shape[0] - side + 1, (3, 2))
    if rng.random() < 1 / 3:
        return tuple(places[0])
    return tuple(max(places, key=lambda p: picture[p[0] : p[0] + side, p[1] : p[1] + side, 1].std()))


def _random_change(rng: np.random.Generator):
    turns, mirror, negative = int(rng.integers(4)), rng.random() < 0.5, rng.random() < 0.25
    channels = rng.permutation(3)

    def change(picture: np.ndarray) -> np.ndarray:
        picture = np.rot90(picture, turns)[..., channels]
        picture = picture[:, ::-1] if mirror else picture
        return 255 - picture if negative else picture

    return change

"""Ordinary images drawn by a program: what an upscaler sees besides the tiny world.

Two sets of recipes that share no drawing code: `TRAINED` is used to train the upscaler, `UNSEEN` only to measure how it
generalizes. Every recipe is `recipe(rng, size) -> uint8 RGB [size, size, 3]`.
"""

import io
import string
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Recipe = Callable[[np.random.Generator, int], np.ndarray]

FONTS = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf")
UNSEEN_FONTS = ("LiberationSerif-Regular.ttf", "LiberationSans-Bold.ttf", "DejaVuSansCondensed-Oblique.ttf")
SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Pack my box with five dozen liquor jugs!",
    "1,234.56 EUR (net) -> 42 % @ 19:07",
    "Sphinx of black quartz, judge my vow.",
)


# Helpers --------------------------------------------------------------------------------------------------------------


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    """Round a float picture in 0..255 (grey [H, W] or RGB [H, W, 3]) to uint8 RGB [H, W, 3]."""
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=-1)
    return (np.clip(picture, 0.0, 255.0) + 0.5).astype(np.uint8)


def _colour(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, 3).astype(np.float32)


def _blend(weight: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mix two colours by a map of weights [H, W] in 0..1: float32 [H, W, 3]."""
    return first + weight[..., None].astype(np.float32) * (second - first)


def _unit_grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel centres in -1..1: x and y as float32 [size, size]."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    return np.meshgrid(axis, axis)


def _stretch(field: np.ndarray) -> np.ndarray:
    low, high = float(field.min()), float(field.max())
    return (field - low) / max(high - low, 1e-9)


def _reduce(picture: Image.Image, size: int) -> np.ndarray:
    """Bring a supersampled drawing to its size by area averaging: antialiased edges."""
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX))


@lru_cache(maxsize=256)
def _font(name: str | None, height: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return a font by file name, or Pillow's own if the system lacks it."""
    if name is not None:
        try:
            return ImageFont.truetype(name, height)
        except OSError:
            pass
    return ImageFont.load_default(height)


# What the upscaler is trained on --------------------------------------------------------------------------------------


def flat(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a single colour."""
    return np.broadcast_to(_colour(rng).astype(np.uint8), (size, size, 3)).copy()


def gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw a linear, radial, four-cornered or wavy gradient between colours."""
    x, y = _unit_grid(size)
    kind = rng.integers(4)
    if kind == 2:
        u, v = (x + 1) / 2, (y + 1) / 2
        upper, lower = _blend(u, _colour(rng), _colour(rng)), _blend(u, _colour(rng), _colour(rng))
        return _to_bytes(upper + v[..., None] * (lower - upper))
    if kind == 0:
        angle = rng.random() * 2 * np.pi
        weight = np.cos(angle) * x + np.sin(angle) * y
    elif kind == 1:
        centre = rng.uniform(-1, 1, 2)
        weight = np.hypot(x - centre[0], y - centre[1])
    else:
        turns = rng.uniform(-5, 5, (3, 2))
        weight = sum(np.sin(a * x + b * y + 6.3 * rng.random()) for a, b in turns)
    return _to_bytes(_blend(_stretch(weight) ** rng.uniform(0.6, 1.6), _colour(rng), _colour(rng)))


def waves(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw smooth, crossing plane waves, from long to as short as a quarter of the pixels can show."""
    x, y = _unit_grid(size)
    field = np.zeros_like(x)
    for _ in range(int(rng.integers(1, 5))):
        turn, length = rng.random() * 2 * np.pi, np.exp(rng.uniform(np.log(9), np.log(90)))
        field += rng.uniform(0.3, 1) * np.sin((np.cos(turn) * x + np.sin(turn) * y) * 128 * 2 * np.pi / length + turn)
    return _to_bytes(_blend(_stretch(field), _colour(rng), _colour(rng)))


def text(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw lines of letters at several heights and slants, on a plain or gradient background."""
    scale = 2
    ground = flat(rng, size) if rng.random() < 0.6 else gradient(rng, size)
    if rng.random() < 0.4:
        ground[:] = rng.choice([0, 255, 240, 24])
    canvas = Image.fromarray(ground).resize((size * scale, size * scale), Image.Resampling.BICUBIC)
    letters = np.array(list(string.ascii_letters * 3 + string.digits + ".,;:!?()-+*/&%$#@      "))
    pen, top = ImageDraw.Draw(canvas), int(rng.integers(-8, 8))
    while top < size * scale:
        height = int(rng.integers(9, 44)) * scale
        name = (*FONTS, None)[rng.integers(len(FONTS) + 1)]
        line = "".join(rng.choice(letters, 60))
        ink = tuple(int(v) for v in _colour(rng))
        if rng.random() < 0.4:
            ink = (255, 255, 255) if ground.mean() < 128 else (0, 0, 0)
        pen.text((int(rng.integers(-60, 20)), top), line, fill=ink, font=_font(name, height))
        top += int(height * rng.uniform(0.95, 1.5))
    if rng.random() < 0.3:
        canvas = canvas.rotate(rng.uniform(-30, 30), Image.Resampling.BICUBIC, fillcolor=tuple(ground[0, 0].tolist()))
    return _reduce(canvas, size)


def noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw random texture with a power spectrum of f^-slope, from white to cloudy; grey or coloured."""
    slope = rng.choice([0.0, 0.5, 1.0, 1.5, 2.0, 3.0]) + rng.uniform(-0.2, 0.2) * (rng.random() < 0.5)
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    stretch = rng.uniform(0.3, 1.0) if rng.random() < 0.3 else 1.0
    frequency = np.maximum(np.hypot(fx * stretch, fy), 1.0 / size)
    channels = 3 if rng.random() < 0.5 else 1
    white = np.fft.rfft2(rng.standard_normal((channels, size, size)))
    field = np.fft.irfft2(white * frequency ** (-slope / 2 - (slope > 0) * 0.25), s=(size, size))
    field = field / field.std(axis=(1, 2), keepdims=True) * rng.uniform(6, 60)
    if rng.random() < 0.15:
        field = np.sign(field) * np.abs(field).mean()
    return _to_bytes(np.moveaxis(np.broadcast_to(field, (3, size, size)), 0, -1) + rng.uniform(70, 185, 3))


def lines(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw strokes, outlines, polygons and ellipses with clean edges."""
    scale = 3
    canvas = Image.fromarray(gradient(rng, size) if rng.random() < 0.3 else flat(rng, size))
    canvas = canvas.resize((size * scale, size * scale), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(canvas)
    for _ in range(int(rng.integers(8, 50))):
        ink = tuple(int(v) for v in _colour(rng))
        width = int(rng.integers(1, 5 * scale))
        points = [tuple(p) for p in rng.uniform(-0.1, 1.1, (int(rng.integers(3, 7)), 2)) * size * scale]
        kind = rng.integers(4)
        if kind == 0:
            pen.line(points, fill=ink, width=width, joint="curve")
        elif kind == 1:
            pen.polygon(points[:3], fill=ink)
        else:
            (left, top), reach = points[0], rng.uniform(4, 90, 2) * scale
            box = (left, top, left + reach[0], top + reach[1])
            pen.ellipse(box, outline=ink, width=width) if kind == 2 else pen.rectangle(box, fill=ink)
    return _reduce(canvas, size)


def checkerboard(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw checks or stripes, fine to coarse, upright or rotated."""
    x, y = _unit_grid(size)
    x, y = x * size / 2, y * size / 2
    if rng.random() < 0.5:
        angle = rng.random() * np.pi
        x, y = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    period = np.exp(rng.uniform(np.log(2), np.log(64), 2))
    if rng.random() < 0.3:
        period = np.full(2, rng.integers(1, 33) * 1.0)
    columns = np.floor(x / period[0] + rng.random())
    rows = np.floor(y / period[rng.integers(2)] + rng.random()) if rng.random() < 0.7 else 0
    return _to_bytes(_blend((columns + rows) % 2, _colour(rng), _colour(rng)))


def leaves(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw overlapping discs of all sizes, shaded and textured (dead leaves model): photo-like statistics."""
    x, y = _unit_grid(size)
    canvas = gradient(rng, size).astype(np.float32)
    grain = (noise(rng, size).astype(np.float32) - 128.0) * rng.uniform(0.0, 0.4)
    softness = 2.0 / size * np.exp(rng.uniform(np.log(0.5), np.log(4)))
    for _ in range(int(rng.integers(20, 120))):
        centre, reach = rng.uniform(-1.1, 1.1, 2), np.exp(rng.uniform(np.log(0.03), np.log(0.6)))
        angle, flatness = rng.random() * np.pi, rng.uniform(0.4, 1.0)
        u = (np.cos(angle) * (x - centre[0]) + np.sin(angle) * (y - centre[1])) / reach
        v = (np.cos(angle) * (y - centre[1]) - np.sin(angle) * (x - centre[0])) / (reach * flatness)
        cover = np.clip(0.5 - (np.hypot(u, v) - 1) * reach / softness, 0, 1)[..., None]
        shade = _colour(rng) * (1 + rng.uniform(-0.5, 0.5) * u[..., None]) + grain * rng.uniform(0, 1)
        canvas = canvas * (1 - cover) + shade * cover
    return _to_bytes(canvas)


TRAINED: dict[str, Recipe] = {
    "flat": flat,
    "gradient": gradient,
    "waves": waves,
    "text": text,
    "noise": noise,
    "lines": lines,
    "checkerboard": checkerboard,
    "leaves": leaves,
}


# What it is only measured on ------------------------------------------------------------------------------------------


def conic_gradient(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw hue turning about a centre outside the image, with brightness falling off like a Gaussian."""
    x, y = _unit_grid(size)
    turn = np.arctan2(y + rng.uniform(1.05, 2), x + rng.uniform(-2, 2)) * rng.uniform(1, 2) + rng.random() * 6.3
    glow = np.exp(-((x - rng.uniform(-1, 1)) ** 2 + (y - rng.uniform(-1, 1)) ** 2) / rng.uniform(0.5, 3))
    hue = np.stack([np.cos(turn + shift) for shift in (0.0, 2.09, 4.19)], axis=-1)
    return _to_bytes(40 + 170 * glow[..., None] * (0.6 + 0.4 * hue))


def page(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw sentences in typefaces that training does not use, directly at their size."""
    dark = rng.random() < 0.5
    canvas = Image.new("RGB", (size, size), (28, 30, 36) if dark else (250, 248, 240))
    pen, top = ImageDraw.Draw(canvas), 4
    while top < size:
        height = int(rng.integers(11, 30))
        ink = (225, 228, 235) if dark else tuple(int(v) for v in rng.integers(0, 110, 3))
        font = _font(UNSEEN_FONTS[rng.integers(len(UNSEEN_FONTS))], height)
        pen.text((6, top), SENTENCES[rng.integers(len(SENTENCES))], fill=ink, font=font)
        top += int(height * 1.35)
    return np.asarray(canvas)


def lattice_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw value noise: random lattices enlarged to the image size, summed in octaves and colour-mapped."""
    field = np.zeros((size, size), np.float32)
    weight = rng.uniform(0.45, 0.9)
    for octave in range(2, int(np.log2(size)) + 1):
        lattice = Image.fromarray(rng.random((2**octave, 2**octave)).astype(np.float32))
        field += weight**octave * np.asarray(lattice.resize((size, size), Image.Resampling.BILINEAR))
    return _to_bytes(_blend(_stretch(field), _colour(rng), _colour(rng)))


def film_grain(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw white uniform or Poisson noise over a soft background."""
    ground = conic_gradient(rng, size).astype(np.float32)
    if rng.random() < 0.5:
        reach = rng.uniform(4, 60)
        return _to_bytes(ground + rng.uniform(-reach, reach, ground.shape))
    gain = rng.uniform(0.2, 3)
    return _to_bytes(rng.poisson(ground / gain) * gain)


def interference(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw crossing rings that get finer outwards, up to what a quarter of the pixels can just show."""
    x, y = _unit_grid(size)
    total = np.zeros_like(x)
    for _ in range(3):
        square = (x - rng.uniform(-1, 1)) ** 2 + (y - rng.uniform(-1, 1)) ** 2
        total += np.cos(square * rng.uniform(2, 5.5) * np.pi + 6.3 * rng.random())
    return _to_bytes(_blend(_stretch(total), _colour(rng), _colour(rng)))


def mosaic(rng: np.random.Generator, size: int) -> np.ndarray:
    """Draw Voronoi cells of plain colours, like stained glass, compressed once as a high-quality JPEG."""
    x, y = _unit_grid(size)
    seeds = rng.uniform(-1, 1, (int(rng.integers(10, 60)), 2)).astype(np.float32)
    nearest = np.argmin((x[..., None] - seeds[:, 0]) ** 2 + (y[..., None] - seeds[:, 1]) ** 2, axis=-1)
    cells = rng.integers(0, 256, (len(seeds), 3)).astype(np.uint8)[nearest]
    store = io.BytesIO()
    Image.fromarray(cells).save(store, "JPEG", quality=95, subsampling=0)
    return np.asarray(Image.open(store))


UNSEEN: dict[str, Recipe] = {
    "conic gradient": conic_gradient,
    "page of text": page,
    "lattice noise": lattice_noise,
    "film grain": film_grain,
    "interference": interference,
    "mosaic": mosaic,
}

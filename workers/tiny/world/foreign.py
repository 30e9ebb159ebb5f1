"""Moving images unlike anything the interpolation network was trained on, for evaluation.

Pieces of pictures (dead leaves, lines, mosaics, clouds, letters ...: `workers.tiny.world.pictures`, which its training
does not use) are shifted, turned and enlarged by Pillow, with an elliptic piece of another picture gliding in front.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from workers.tiny.world import pictures

# Without plain colours and film grain, which show no motion, and checks, whose motion is ambiguous.
KINDS = ("gradient", "waves", "text", "noise", "lines", "leaves", "conic gradient", "lattice noise", "mosaic")
CANVAS = 3  # the source picture's side in frames
FASTEST = 0.09  # short sides per interval; the piece in front moves up to twice that
FINE = 2  # supersampling factor


@dataclass(frozen=True)
class Glide:
    """A similarity that changes evenly: from `moment` 0 to 1 it shifts by `way` (short sides), turns, and grows."""

    place: np.ndarray
    way: np.ndarray
    turn: float
    growth: float

    def matrix(self, moment: float, source: int, side: int) -> tuple[float, ...]:
        """Return Pillow's affine coefficients from output pixels to source pixels."""
        scale = np.exp(-self.growth * (moment - 0.5))
        cos, sin = (scale * f(self.turn * (moment - 0.5)) for f in (np.cos, np.sin))
        x, y = self.place * source - self.way * moment * side
        middle = side / 2
        return (cos, -sin, x - cos * middle + sin * middle, sin, cos, y - sin * middle - cos * middle)


def draw_triplet(rng: np.random.Generator, time: float, height: int, width: int) -> list[np.ndarray]:
    """Return frames at moments 0, `time` and 1 of one interval: uint8 [H, W, 3] each, square (`height` = `width`)."""
    side = FINE * max(height, width)
    ground, piece = (_source(rng, CANVAS * side) for _ in range(2))
    back, front = (_glide(rng, FASTEST * factor) for factor in (1, 2))
    start, radii = rng.uniform(0.25, 0.75, 2), rng.uniform(0.1, 0.25, 2)
    return [_frame(ground, piece, back, front, start, radii, moment, side, height, width) for moment in (0, time, 1)]


def _frame(ground, piece, back, front, start, radii, moment, side, height, width) -> np.ndarray:
    """Draw one moment: the background, and in front of it the piece in its ellipse."""
    frame = ground.transform(
        (side, side), Image.Transform.AFFINE, back.matrix(moment, ground.width, side), Image.BICUBIC
    )
    over = piece.transform((side, side), Image.Transform.AFFINE, front.matrix(moment, piece.width, side), Image.BICUBIC)
    centre = (start + front.way * moment) * side
    window = Image.new("L", (side, side), 0)
    box = [*(centre - radii * side), *(centre + radii * side)]
    ImageDraw.Draw(window).ellipse([float(edge) for edge in box], fill=255)
    frame.paste(over, (0, 0), window)
    top, left = (side - FINE * height) // 2, (side - FINE * width) // 2
    frame = frame.crop((left, top, left + FINE * width, top + FINE * height))
    return np.asarray(frame.resize((width, height), Image.BOX))


def _source(rng: np.random.Generator, size: int) -> Image.Image:
    recipes = {**pictures.TRAINED, **pictures.UNSEEN}
    return Image.fromarray(recipes[KINDS[rng.integers(len(KINDS))]](rng, size))


def _glide(rng: np.random.Generator, fastest: float) -> Glide:
    direction, pace = rng.uniform(0, 2 * np.pi), fastest * rng.random()
    way = pace * np.array([np.cos(direction), np.sin(direction)])
    return Glide(rng.uniform(0.4, 0.6, 2), way, rng.uniform(-0.15, 0.15), rng.uniform(-0.06, 0.06))

"""The tiny world: one coloured shape that moves over a background, drawn at any size and at any moment.

Lengths are in units of the frame's short side, so that a scene looks alike at 64x64 and at 1024x512; x runs to the
right, y downwards, times are seconds. Everything is computed from signed distances, so edges are antialiased and a
scene can be drawn at times between frames (which is what the interpolation model is trained on).
"""

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
COLOURS = {
    "red": (228, 26, 28),
    "orange": (255, 138, 0),
    "yellow": (255, 230, 0),
    "green": (28, 190, 50),
    "cyan": (0, 222, 230),
    "blue": (36, 66, 245),
    "purple": (150, 40, 214),
    "pink": (255, 105, 190),
}
SIZES = ("small", "large")
MOTIONS = (
    "moving left",
    "moving right",
    "rising",
    "falling",
    "still",
    "bouncing",
    "growing",
    "shrinking",
    "spinning",
    "circling",
)
BACKGROUNDS = ("black", "white", "grey", "starry night", "sunset", "meadow", "sea", "desert")

RADIUS = {"small": 0.135, "large": 0.23}
OUTLINE = 0.022
OUTLINE_SHADE = 0.35
REACH = 1.27  # no shape extends further from its centre than this many radii
HELD_OUT_ONE_IN = 10


@dataclass(frozen=True)
class Scene:
    """A clip's content; `seed` determines what words don't: start, phase, exact speed, stars, the line of the hills."""

    shape: str
    colour: str
    size: str
    motion: str
    background: str
    seed: int = 0


def is_held_out(scene: Scene) -> bool:
    """Return whether this combination of attributes (ignoring the seed) is held out of all training: about 10 %."""
    name = "|".join((scene.shape, scene.colour, scene.size, scene.motion, scene.background))
    digest = hashlib.blake2s(name.encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_ONE_IN == 0


def sample_scene(rng: np.random.Generator, held_out: bool = False) -> Scene:
    """Draw a scene uniformly, either from the training combinations or from the held-out ones.

    Spinning circles are never drawn: the spin would be invisible.
    """
    while True:
        scene = Scene(
            shape=SHAPES[rng.integers(len(SHAPES))],
            colour=tuple(COLOURS)[rng.integers(len(COLOURS))],
            size=SIZES[rng.integers(len(SIZES))],
            motion=MOTIONS[rng.integers(len(MOTIONS))],
            background=BACKGROUNDS[rng.integers(len(BACKGROUNDS))],
            seed=int(rng.integers(2**31)),
        )
        visible = (scene.shape, scene.motion) != ("circle", "spinning")
        if visible and is_held_out(scene) == held_out:
            return scene


def draw(scene: Scene, times: np.ndarray, height: int, width: int) -> np.ndarray:
    """Draw the scene at `times` (seconds, shape [T]): uint8 RGB [T, height, width, 3]."""
    distance = _object_distance(scene, times, height, width)
    pixel = 1.0 / min(height, width)
    cover = np.clip(0.5 - distance / pixel, 0.0, 1.0)[..., None]
    inner = np.clip(0.5 - (distance + OUTLINE) / pixel, 0.0, 1.0)[..., None]
    colour = np.asarray(COLOURS[scene.colour], np.float32)
    body = colour * (OUTLINE_SHADE + (1.0 - OUTLINE_SHADE) * inner)
    frames = background(scene.background, scene.seed, height, width) * (1.0 - cover) + body * cover
    return (frames + 0.5).astype(np.uint8)


def object_mask(scene: Scene, times: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return how much of each pixel the object covers, outline included: float32 [T, height, width] in 0..1."""
    distance = _object_distance(scene, times, height, width)
    return np.clip(0.5 - distance * min(height, width), 0.0, 1.0).astype(np.float32)


# Motion ---------------------------------------------------------------------------------------------------------------


def object_path(scene: Scene, times: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the object's path: float32 [T, 4] of x, y, radius (short sides) and angle (radians, clockwise)."""
    t = np.asarray(times, np.float32)
    rng = np.random.default_rng(scene.seed)
    place_x, place_y, pace, phase = rng.random(4)
    span_x, span_y = width / min(height, width), height / min(height, width)
    radius = np.full_like(t, RADIUS[scene.size])
    angle = np.zeros_like(t)
    if scene.motion in ("growing", "shrinking"):
        radius *= _swelling(scene.motion, t, pace)
    elif scene.motion == "spinning":
        angle += 2 * np.pi * (0.28 + 0.1 * pace) * t
    margin = float(radius.max(initial=RADIUS[scene.size])) * REACH + 0.025
    room_x, room_y = span_x - 2 * margin, span_y - 2 * margin
    u, v = _track(scene.motion, t, place_x, place_y, pace, phase, min(room_x, room_y) / np.array([room_x, room_y]))
    return np.stack([margin + u * room_x, margin + v * room_y, radius, angle], axis=1).astype(np.float32)


def _swelling(motion: str, t: np.ndarray, pace: float) -> np.ndarray:
    """Return the radius over time relative to the object's own: 0.5 to 1.3, or back, in about 2 s, then constant."""
    progress = np.clip(t / (2.0 + 0.5 * pace), 0.0, 1.0)
    return 0.5 + 0.8 * (progress if motion == "growing" else 1.0 - progress)


def _track(motion, t, place_x, place_y, pace, phase, square):
    """Return the position over time as fractions of the free space; `square` undoes its aspect ratio for circles."""
    u, v = np.full_like(t, place_x), np.full_like(t, place_y)
    run = np.clip(0.12 * phase + t * (0.38 + 0.09 * pace), 0.0, 1.0)
    if motion == "moving right":
        u = run
    elif motion == "moving left":
        u = 1.0 - run
    elif motion == "falling":
        v = run
    elif motion == "rising":
        v = 1.0 - run
    elif motion == "bouncing":
        v = 1.0 - 0.95 * np.abs(np.sin(np.pi * (t / (0.95 + 0.15 * pace) + phase)))
    elif motion == "circling":
        turn = 2 * np.pi * (t * (0.45 + 0.08 * pace) + phase)
        u = 0.5 + (place_x - 0.5) * (1 - square[0]) + 0.47 * square[0] * np.cos(turn)
        v = 0.5 + (place_y - 0.5) * (1 - square[1]) + 0.47 * square[1] * np.sin(turn)
    return u, v


# Shapes ---------------------------------------------------------------------------------------------------------------


def _object_distance(scene: Scene, times: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the signed distance to the object's edge in short sides, negative inside: float32 [T, height, width]."""
    x, y, radius, angle = (column[:, None, None] for column in object_path(scene, times, height, width).T)
    columns, rows = _grid(height, width)
    dx, dy = columns - x, rows - y
    if scene.motion == "spinning":
        cos, sin = np.cos(angle), np.sin(angle)
        dx, dy = cos * dx + sin * dy, cos * dy - sin * dx
    return outline_distance(scene.shape, dx / radius, dy / radius) * radius


def outline_distance(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the signed distance to a shape's edge about its centre, in radii; negative inside."""
    return _DISTANCES[shape](x, y)


def _circle(x, y):
    return np.sqrt(x * x + y * y) - 0.95


def _square(x, y):
    return np.maximum(np.abs(x), np.abs(y)) - 0.83


def _triangle(x, y):
    return np.maximum(y, 0.8660254 * np.abs(x) - 0.5 * y) - 0.61


def _star(x, y):
    """Return the distance to a five-pointed star: the plane is folded onto half a point, whose edge is straight."""
    tip, notch, half = 1.22, 0.52, np.pi / 5
    turn = np.arctan2(x, -y)
    fold = np.abs(turn - 2 * half * np.round(turn / (2 * half)))
    reach = np.sqrt(x * x + y * y)
    edge_x, edge_y = notch * np.cos(half) - tip, notch * np.sin(half)
    length = np.hypot(edge_x, edge_y)
    return ((reach * np.cos(fold) - tip) * edge_y - reach * np.sin(fold) * edge_x) / length


def _heart(x, y):
    """Return the distance to a heart: a square on its corner with a disc on each of its two upper sides."""
    side = 0.63
    x, y = np.abs(x), y - 0.12
    across, along = (x + y) * 0.70710678, (y - x) * 0.70710678
    lobe = np.sqrt((x - side * 0.70710678) ** 2 + (y + side * 0.70710678) ** 2)
    return np.minimum(np.maximum(np.abs(across), np.abs(along)), lobe) - side


def _cross(x, y):
    x, y = np.abs(x), np.abs(y)
    return np.maximum(np.minimum(x, y) - 0.35, np.maximum(x, y) - 1.05)


_DISTANCES = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "heart": _heart,
    "cross": _cross,
}


# Backgrounds ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pixel centres in short sides: x as float32 [1, width], y as float32 [height, 1]."""
    short = min(height, width)
    x = (np.arange(width, dtype=np.float32) + 0.5) / short
    y = (np.arange(height, dtype=np.float32) + 0.5) / short
    return x[None, :], y[:, None]


def background(name: str, seed: int, height: int, width: int) -> np.ndarray:
    """Return the scene without its object: float32 RGB [height, width, 3] in 0..255."""
    plain = {"black": (8, 8, 10), "white": (246, 246, 246), "grey": (128, 128, 128)}
    if name in plain:
        return np.broadcast_to(np.asarray(plain[name], np.float32), (height, width, 3))
    rng = np.random.default_rng([seed, 1])
    painter = {"starry night": _night, "sunset": _sunset, "meadow": _meadow, "sea": _sea, "desert": _desert}[name]
    return painter(rng, height, width)


def _gradient(height: int, width: int, top, bottom) -> np.ndarray:
    """Return a vertical blend of two colours: float32 [height, width, 3]."""
    v = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None, None]
    row = np.asarray(top, np.float32) * (1 - v) + np.asarray(bottom, np.float32) * v
    return np.repeat(row, width, axis=1)


def _paint(canvas: np.ndarray, below: np.ndarray, colour) -> np.ndarray:
    """Fill everything below the line `below` (short sides, [width]) with a colour."""
    height, width = canvas.shape[:2]
    _, y = _grid(height, width)
    cover = np.clip(0.5 + (y - below[None, :]) * min(height, width), 0.0, 1.0)[..., None]
    return canvas * (1 - cover) + np.asarray(colour, np.float32) * cover


def _hills(rng, height: int, width: int, level: float, swing: float) -> np.ndarray:
    """Return a soft skyline: y in short sides, float32 [width]; `level` is a fraction of the height."""
    x = _grid(height, width)[0][0]
    a, b, phase_a, phase_b = rng.random(4)
    wave = np.sin(x * (2.5 + 2 * a) + 6.3 * phase_a) + 0.5 * np.sin(x * (6 + 3 * b) + 6.3 * phase_b)
    return level * height / min(height, width) + swing * wave


def _night(rng, height: int, width: int) -> np.ndarray:
    canvas = _gradient(height, width, (10, 12, 44), (34, 34, 84))
    x, y = _grid(height, width)
    count = round(16 * x.max() * y.max())
    for u, v, glow in rng.random((count, 3)):
        square = (x - u * x.max()) ** 2 + (y - v * y.max()) ** 2
        canvas += (90 + 130 * glow) * np.exp(-square / (2 * 0.011**2))[..., None]
    return np.minimum(canvas, 250.0)


def _sunset(rng, height: int, width: int) -> np.ndarray:
    canvas = _gradient(height, width, (98, 70, 120), (246, 176, 128))
    return _paint(canvas, _hills(rng, height, width, 0.82, 0.025), (62, 40, 60))


def _meadow(rng, height: int, width: int) -> np.ndarray:
    canvas = _gradient(height, width, (176, 208, 232), (226, 238, 240))
    canvas = _paint(canvas, _hills(rng, height, width, 0.52, 0.03), (146, 176, 112))
    return _paint(canvas, _hills(rng, height, width, 0.72, 0.03), (116, 152, 84))


def _sea(rng, height: int, width: int) -> np.ndarray:
    canvas = _gradient(height, width, (188, 210, 226), (228, 232, 230))
    level = 0.5 + 0.05 * rng.random()
    canvas = _paint(canvas, np.full(width, level * height / min(height, width), np.float32), (84, 134, 158))
    for depth in (0.66, 0.8, 0.93):
        crest = _hills(rng, height, width, depth, 0.012)
        canvas = _paint(canvas, crest, (128, 172, 190))
        canvas = _paint(canvas, crest + 0.03, (84 - 12 * depth, 134 - 20 * depth, 158 - 20 * depth))
    return canvas


def _desert(rng, height: int, width: int) -> np.ndarray:
    canvas = _gradient(height, width, (206, 222, 232), (242, 232, 212))
    canvas = _paint(canvas, _hills(rng, height, width, 0.55, 0.03), (222, 192, 146))
    return _paint(canvas, _hills(rng, height, width, 0.76, 0.035), (202, 166, 116))

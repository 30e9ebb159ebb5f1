"""A judge that classifies a clip of the tiny world from pixels alone: background, colour, shape, size, motion.

Knows the world (its palettes and outlines) and nothing of any model. The background is the one whose rows look most
like the clip's; the object is what is nearer to one of the eight colours than to that background; the rest is geometry
of the object's mask over time. Lengths are in units of the frame's short side.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from workers.tiny.world import scenes as world
from workers.tiny.world.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene

RATE = 8.0  # frame rate used
MOST_PIXELS = 96  # short side used
PROFILE_ROWS = 24
GROWTH = 1.35  # minimum linear scale change that counts as growing
TRAVEL = 0.085  # minimum distance, in short sides, that counts as moving
SIZE_EDGE = 0.172  # radius between small and large
GRID = 28  # side of the window for comparing outlines
WINDOW = 1.5  # half side of that window, in radii
NAMES = tuple(COLOURS)


@dataclass(frozen=True)
class Track:
    """The object through the clip: the frames [T, h, w, 3] in which it was found, soft masks [T, h, w] in 0..1 and, per
    frame, centre [T, 2] and radius [T]."""

    frames: np.ndarray
    masks: np.ndarray
    centres: np.ndarray
    radii: np.ndarray
    colour: str


def judge(clip: np.ndarray, fps: float = RATE) -> Scene:
    """Return the scene nearest to a clip, uint8 RGB [F, H, W, 3] at `fps` frames per second."""
    frames = prepare(clip, fps)
    background = find_background(frames)
    track = follow_object(frames, background)
    if track is None:
        return Scene("", "", "", "", background)
    motion, spin = find_motion(track)
    return Scene(find_shape(track, spin), track.colour, _size(track), motion, background)


def prepare(clip: np.ndarray, fps: float) -> np.ndarray:
    """Reduce to at most 8 frames per second and 96 pixels: float32 [T, h, w, 3] in 0..255."""
    frames = clip[:: max(1, round(fps / RATE))]
    height, width = frames.shape[1:3]
    factor = MOST_PIXELS / min(height, width)
    if factor < 1:
        size = (round(width * factor), round(height * factor))
        frames = np.stack([np.asarray(Image.fromarray(frame).resize(size, Image.BOX)) for frame in frames])
    return frames.astype(np.float32)


# Background -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _profiles() -> dict[str, np.ndarray]:
    """Return each background's typical colours from top to bottom, in several variants: [variants, rows, 3]."""
    return {
        name: np.stack([np.median(world.background(name, seed, 96, 96), axis=1) for seed in range(12)])[:, 2::4]
        for name in BACKGROUNDS
    }


def find_background(frames: np.ndarray) -> str:
    """Return the background whose rows are nearest to the clip's; medians over time and row ignore the object."""
    rows = np.median(frames, axis=(0, 2))
    places = ((np.arange(PROFILE_ROWS) + 0.5) / PROFILE_ROWS * len(rows)).astype(int)
    rows = rows[places]
    distances = {name: np.abs(p - rows).mean(axis=(1, 2)).min() for name, p in _profiles().items()}
    return min(distances, key=distances.get)


@lru_cache(maxsize=8)
def _palette(name: str) -> np.ndarray:
    """Return the colours of a background in the judge's colour space: [K, 3]."""
    pixels = np.concatenate([world.background(name, seed, 48, 48).reshape(-1, 3) for seed in range(4)])
    coarse = np.unique((pixels / 24).round(), axis=0) * 24
    return _perceived(coarse[:64] if len(coarse) <= 64 else coarse[:: len(coarse) // 48])


def _perceived(rgb: np.ndarray) -> np.ndarray:
    """Convert colours to half-weighted brightness and two differences, so that distances favour hue over shade."""
    r, g, b = np.moveaxis(rgb.astype(np.float32), -1, 0)
    grey = 0.299 * r + 0.587 * g + 0.114 * b
    return np.stack([0.5 * grey, 0.9 * (b - grey), 1.1 * (r - grey)], axis=-1)


# Object ---------------------------------------------------------------------------------------------------------------


def follow_object(frames: np.ndarray, background: str) -> Track | None:
    """Find the object's colour, then its mask in every frame; return None if nothing has one of the eight colours."""
    seen = _perceived(frames)
    away = _distance(seen, _palette(background)).min(axis=-1)
    near = _distance(seen, _perceived(np.array(list(COLOURS.values()))))
    belongs = near.min(axis=-1) < away
    if belongs.mean() < 0.002:
        return None
    votes = np.bincount(near.argmin(axis=-1)[belongs], weights=(away - near.min(axis=-1))[belongs], minlength=8)
    colour = int(votes.argmax())
    share = away / (away + near[..., colour] + 1e-3)
    masks = np.clip((share - 0.5) * 6 + 0.5, 0.0, 1.0)
    masks = np.stack([_main_part(mask) for mask in masks])
    return _track(frames, masks, NAMES[colour])


def _distance(pixels: np.ndarray, colours: np.ndarray) -> np.ndarray:
    """Return the distances of pixels [..., 3] to colours [K, 3]: float32 [..., K]."""
    squares = np.square(pixels).sum(axis=-1, keepdims=True) + np.square(colours).sum(axis=-1)
    return np.sqrt(np.maximum(squares - 2.0 * pixels @ colours.T, 0.0))


def _main_part(mask: np.ndarray) -> np.ndarray:
    """Drop stray pixels more than twice the object's radius away from its middle."""
    rows, columns = np.nonzero(mask > 0.5)
    if len(rows) == 0:
        return mask * 0
    y, x = np.median(rows), np.median(columns)
    reach = 2.2 * np.sqrt(mask.sum() / np.pi) + 2
    far = (np.arange(mask.shape[0])[:, None] - y) ** 2 + (np.arange(mask.shape[1])[None] - x) ** 2 > reach**2
    return np.where(far, 0.0, mask)


def _track(frames: np.ndarray, masks: np.ndarray, colour: str) -> Track | None:
    """Compute centres and radii from masks, omitting frames in which the object is lost."""
    area = masks.sum(axis=(1, 2))
    kept = area > 0.25 * np.median(area)
    if kept.sum() < 2:
        return None
    frames, masks, area = frames[kept], masks[kept], area[kept]
    short = min(masks.shape[1:])
    x = (masks.sum(axis=1) * (np.arange(masks.shape[2]) + 0.5)).sum(axis=1) / area
    y = (masks.sum(axis=2) * (np.arange(masks.shape[1]) + 0.5)).sum(axis=1) / area
    radii = np.sqrt(area / 2.4) / short + world.OUTLINE
    return Track(frames, masks, np.stack([x, y], axis=1) / short, radii, colour)


def _size(track: Track) -> str:
    return "large" if track.radii.mean() > SIZE_EDGE else "small"


# Motion ---------------------------------------------------------------------------------------------------------------


def find_motion(track: Track) -> tuple[str, float]:
    """Return the motion's name and the object's rotation speed (radians per frame; 0 if it does not turn)."""
    swelling = _ends_ratio(track.radii)
    smooth = _smooth(track.centres)
    span_x, span_y = np.ptp(smooth, axis=0)
    net_x, net_y = smooth[-1] - smooth[0]
    walked_y = np.abs(np.diff(smooth[:, 1])).sum()
    if max(span_x, span_y) < TRAVEL:
        if not 1 / GROWTH < swelling < GROWTH:
            return ("growing" if swelling > 1 else "shrinking"), 0.0
        spin = find_spin(track)
        return ("spinning" if spin else "still"), spin
    if min(span_x, span_y) > 0.4 * max(span_x, span_y):
        return "circling", 0.0
    if span_x > span_y:
        return ("moving right" if net_x > 0 else "moving left"), 0.0
    if abs(net_y) < 0.75 * walked_y:
        return "bouncing", 0.0
    return ("falling" if net_y > 0 else "rising"), 0.0


def _ends_ratio(radii: np.ndarray) -> float:
    """Return the ratio of the radius in the last quarter of the clip to that in the first."""
    quarter = max(1, len(radii) // 4)
    return float(np.median(radii[-quarter:]) / np.median(radii[:quarter]))


def _smooth(centres: np.ndarray) -> np.ndarray:
    """Return centres without single outliers: the median of each with its neighbours."""
    if len(centres) < 5:
        return centres
    padded = np.concatenate([centres[:1], centres, centres[-1:]])
    return np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)


def find_spin(track: Track) -> float:
    """Return the outline's rotation in radians per frame; 0 if standing still explains it at least as well.

    The outline's angular harmonics are rotated back at each candidate speed; at the right one they add up.
    """
    harmonics = _harmonics(track)
    times = np.arange(len(harmonics))
    orders = np.arange(1, harmonics.shape[1] + 1)

    def agreement(speed: float) -> float:
        turned = harmonics * np.exp(-1j * speed * times[:, None] * orders)
        return float(np.square(np.abs(turned.mean(axis=0))).sum())

    speeds = 2 * np.pi / RATE * np.concatenate([np.linspace(-0.5, -0.2, 16), np.linspace(0.2, 0.5, 16)])
    best = max(speeds, key=agreement)
    return float(best) if agreement(best) > 1.3 * agreement(0.0) else 0.0


def _harmonics(track: Track, count: int = 5) -> np.ndarray:
    """Return the mask's angular harmonics 1..5 about its centre, in units of its own radius: complex [T, 5]."""
    short = min(track.masks.shape[1:])
    rows, columns = (np.arange(n, dtype=np.float32) + 0.5 for n in track.masks.shape[1:])
    x = (columns[None, None, :] / short - track.centres[:, 0, None, None]) / track.radii[:, None, None]
    y = (rows[None, :, None] / short - track.centres[:, 1, None, None]) / track.radii[:, None, None]
    place = x + 1j * y
    weights = track.masks / track.masks.sum(axis=(1, 2), keepdims=True)
    return np.stack([(weights * place**order).sum(axis=(1, 2)) for order in range(1, count + 1)], axis=1)


# Shape ----------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def _template(shape: str, angle: float) -> np.ndarray:
    """Return a shape's filled body about its own centroid, scaled to area 2.4 radii squared: float32 [GRID, GRID]."""
    fine = (np.arange(160, dtype=np.float32) + 0.5) / 160 * 3.2 - 1.6
    body = np.clip(0.5 - (world.outline_distance(shape, fine[None, :], fine[:, None]) + 0.1) / 0.02, 0, 1)[None]
    area = body.sum() * 0.02**2
    middle = [(body.sum(axis=axis) * fine).sum() / body.sum() for axis in (1, 2)]
    centre = (np.array([middle]) + 1.6) / 3.2
    return _window(body, centre, np.array([np.sqrt(area / 2.4) / 3.2]), -angle)[0]


def _window(masks: np.ndarray, centres: np.ndarray, radii: np.ndarray, turn) -> np.ndarray:
    """Return masks resampled about their centres, in their radii, rotated by `turn` radians: [T, GRID, GRID]."""
    short = min(masks.shape[1:])
    steps = (np.arange(GRID, dtype=np.float32) + 0.5) / GRID * 2 * WINDOW - WINDOW
    turn = np.broadcast_to(np.asarray(turn, np.float32), len(masks))[:, None, None]
    u, v = steps[None, None, :], steps[None, :, None]
    x = (centres[:, 0, None, None] + (np.cos(turn) * u - np.sin(turn) * v) * radii[:, None, None]) * short - 0.5
    y = (centres[:, 1, None, None] + (np.sin(turn) * u + np.cos(turn) * v) * radii[:, None, None]) * short - 0.5
    return _bilinear(masks, x, y)


def _bilinear(masks: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the values of masks [T, h, w] at pixel positions [T, n, m]; the nearest edge counts outside."""
    x0 = np.clip(np.floor(x).astype(int), 0, masks.shape[2] - 2)
    y0 = np.clip(np.floor(y).astype(int), 0, masks.shape[1] - 2)
    fx, fy = np.clip(x - x0, 0, 1), np.clip(y - y0, 0, 1)
    t = np.arange(len(masks))[:, None, None]
    upper = masks[t, y0, x0] * (1 - fx) + masks[t, y0, x0 + 1] * fx
    lower = masks[t, y0 + 1, x0] * (1 - fx) + masks[t, y0 + 1, x0 + 1] * fx
    return upper * (1 - fy) + lower * fy


def find_shape(track: Track, spin: float) -> str:
    """Return the shape whose outline differs least from the clip's mean outline, with rotation undone."""
    inner = track.radii - world.OUTLINE
    body = _window(track.masks, track.centres, inner, spin * np.arange(len(inner))).mean(axis=0)
    angles = np.arange(0, 360, 10) if spin else (0,)
    errors = {
        shape: min(np.square(body - _template(shape, float(np.deg2rad(angle)))).mean() for angle in angles)
        for shape in SHAPES
    }
    return min(errors, key=errors.get)

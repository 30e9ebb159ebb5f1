"""The meaning of the tiny world's latents: a scene as 18 numbers per 8x8 pixels, computed without a network.

A latent space learned from pixels alone spends its variance on whatever covers many pixels. Shape and angle are a small
part of that, and diffusion learns them last. So the tiny autoencoder is trained towards latents that are designed here:
around the object, a soft disc carries everything words say about it, at full strength; beside it are the background's
brightness, in quarter cells, and its hue. Diffusion trains on these directly, the decoder learns to draw them and the
encoder to recognize them in images.

Channels: 0 disc; 1, 2 way from the object's centre; 3 radius; 4, 5 cosine and sine of its angle; 6-8 shape; 9-11
colour; 12 brightness of the background; 13-15 its differences across, down and crosswise within the cell; 16, 17 hue.
Lengths are in short sides of the frame, as in `world`.
"""

import numpy as np

from workers.tiny.world.scenes import BACKGROUNDS, COLOURS, Scene, background, object_path

CHANNELS = 18
FACTOR = 8
OBJECT = slice(0, 12)
BACKGROUND = slice(12, 18)
# The corners of an octahedron: attributes that are easily confused are opposite.
SHAPE_CODES = {
    "circle": (1, 0, 0),
    "square": (-1, 0, 0),
    "star": (0, 1, 0),
    "cross": (0, -1, 0),
    "triangle": (0, 0, 1),
    "heart": (0, 0, -1),
}
DISC_REACH, DISC_MARGIN, DISC_SOFTNESS = 1.2, 0.05, 0.035
WAY_UNIT = 0.2
MIDDLE_RADIUS, RADIUS_UNIT = 0.17, 0.08
OBJECT_GAIN = 1.6  # so that coded attributes stand out against unit-variance noise as much as the scenery does
BRIGHTNESS_UNIT, HUE_UNIT = 70.0, 28.0
DETAIL_UNITS = np.array([5.0, 14.0, 4.0], np.float32)[:, None, None]  # hills vary vertically, stars in all directions
MIDDLE_BRIGHTNESS = 140.0


def _colour_codes() -> dict[str, np.ndarray]:
    """Return codes of the eight colours: red, green and blue normalized to mean 0 and deviation 1 over them."""
    values = np.array(list(COLOURS.values()), np.float32)
    return dict(zip(COLOURS, (values - values.mean(axis=0)) / values.std(axis=0), strict=True))


COLOUR_CODES = _colour_codes()


def scene_latents(scene: Scene, times: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a scene's latents at `times` (seconds, [T]): float32 [T, 18, height / 8, width / 8]."""
    ground = background_latents(background(scene.background, scene.seed, height, width))
    return join(object_latents(scene, times, height, width), ground)


def join(thing: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Join object latents [T, 12, h, w] and background latents [6, h, w]: float32 [T, 18, h, w]."""
    return np.concatenate([thing, np.broadcast_to(ground, (len(thing), *ground.shape))], axis=1)


def object_latents(scene: Scene, times: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the object's twelve channels: float32 [T, 12, height / 8, width / 8]."""
    x, y, radius, angle = (column[:, None, None] for column in object_path(scene, times, height, width).T)
    columns, rows = (np.arange(n // FACTOR, dtype=np.float32) for n in (width, height))
    dx = ((columns + 0.5) * FACTOR / min(height, width))[None, None, :] - x
    dy = ((rows + 0.5) * FACTOR / min(height, width))[None, :, None] - y
    away = np.sqrt(dx * dx + dy * dy)
    disc = 1.0 / (1.0 + np.exp((away - DISC_REACH * radius - DISC_MARGIN) / DISC_SOFTNESS))
    facts = [dx / WAY_UNIT, dy / WAY_UNIT, (radius - MIDDLE_RADIUS) / RADIUS_UNIT, np.cos(angle), np.sin(angle)]
    facts += [*SHAPE_CODES[scene.shape], *COLOUR_CODES[scene.colour]]
    channels = [np.ones_like(disc), *(np.broadcast_to(fact, disc.shape) for fact in facts)]
    return (OBJECT_GAIN * disc[:, None] * np.stack(channels, axis=1)).astype(np.float32)


def background_latents(picture: np.ndarray) -> np.ndarray:
    """Return the background's channels, float32 [6, H / 8, W / 8], from its float32 RGB [H, W, 3] in 0..255."""
    height, width = picture.shape[0] // FACTOR, picture.shape[1] // FACTOR
    quarters = picture.reshape(height, 2, FACTOR // 2, width, 2, FACTOR // 2, 3).mean(axis=(2, 5))
    bright = quarters @ np.array([0.299, 0.587, 0.114], np.float32)  # [h, 2, w, 2]
    red, blue = (quarters[..., channel].mean(axis=(1, 3)) - bright.mean(axis=(1, 3)) for channel in (0, 2))
    across = (bright[:, :, :, 1] - bright[:, :, :, 0]).mean(axis=1) / 2
    down = (bright[:, 1] - bright[:, 0]).mean(axis=2) / 2
    crosswise = (bright[:, 1, :, 1] - bright[:, 1, :, 0] - bright[:, 0, :, 1] + bright[:, 0, :, 0]) / 4
    mean = (bright.mean(axis=(1, 3)) - MIDDLE_BRIGHTNESS) / BRIGHTNESS_UNIT
    details = (np.stack([across, down, crosswise]) / DETAIL_UNITS).clip(-4, 4)
    return np.concatenate([mean[None], details, np.stack([red, blue]) / HUE_UNIT]).astype(np.float32)


def sample_grounds(rng: np.random.Generator, count: int, height: int, width: int) -> dict[str, np.ndarray]:
    """Return `count` backgrounds of each kind as latents: float32 [count, 6, height / 8, width / 8] by name."""
    return {
        name: np.stack(
            [background_latents(background(name, int(rng.integers(2**31)), height, width)) for _ in range(count)]
        )
        for name in BACKGROUNDS
    }

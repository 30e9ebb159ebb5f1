"""Training data of the tiny interpolation network: clips of the tiny world, and other moving images.

Every sample is three moments of one scene (the two frames, and one in between) with the true flow from the middle
moment to both frames, which the drawing code knows. Lengths are in short sides, as in `world`; an interval is the time
between the two frames. The other images (textured blobs over textured backgrounds, everything moving, turning and
growing) keep the network from overfitting to the tiny world.
"""

from dataclasses import dataclass

import numpy as np

from workers.tiny.world import scenes as world

BASE_FPS = 8
OTHER_SHARE = 0.3
LONGEST_START = 3.0  # seconds: clips are mostly two to four seconds long
SPACINGS, SPACING_ODDS = (1.0, 0.5, 2.0), (0.7, 0.15, 0.15)  # in base intervals
USUAL_TIMES = (1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4)  # 16, 24 and 32 fps from 8
KEEP = {"still": 0.2, "bouncing": 1.0, "circling": 1.0}  # undersample small motions
KEEP_OTHERS = 0.6
SIZES = ((64, 64), (64, 64), (64, 64), (64, 64), (64, 128), (128, 64), (128, 128))
PIXELS = 4 * 64 * 64  # per batch, whatever the frame size


@dataclass(frozen=True)
class Sample:
    """Three moments: float32 RGB [H, W, 3] in 0..1, `time` in 0..1, `flow` float32 [H, W, 4] in pixels.

    The flow leads from each pixel at `time` to its position in x0 (y, x) and in x1 (y, x).
    """

    x0: np.ndarray
    x1: np.ndarray
    between: np.ndarray
    time: float
    flow: np.ndarray


def make_batch(seed: int, step: int) -> dict[str, np.ndarray]:
    """Return a step's training batch, determined by the seed and step alone.

    Returns float32 arrays x0, x1, between [B, H, W, 3] in 0..1, time [B, 1] and flow [B, H, W, 4] in pixels.
    """
    rng = np.random.default_rng([seed, step])
    height, width = SIZES[rng.integers(len(SIZES))]
    samples = []
    for _ in range(PIXELS // (height * width)):
        make = sample_other if rng.random() < OTHER_SHARE else sample_world
        samples.append(augment(make(rng, height, width), rng))
    batch = {name: np.stack([getattr(s, name) for s in samples]) for name in ("x0", "x1", "between", "flow")}
    batch["time"] = np.array([[s.time] for s in samples], np.float32)
    return batch


def augment(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirror, reverse in time and swap colours, each at random, transforming the flow accordingly."""
    x0, x1, between, time, flow = sample.x0, sample.x1, sample.between, sample.time, sample.flow
    if rng.random() < 0.5:
        x0, x1, between, flow = (a[:, ::-1] for a in (x0, x1, between, flow))
        flow = flow * np.array([1, -1, 1, -1], np.float32)
    if rng.random() < 0.3:
        x0, x1, between, flow = (a[::-1] for a in (x0, x1, between, flow))
        flow = flow * np.array([-1, 1, -1, 1], np.float32)
    if rng.random() < 0.5:
        x0, x1, time, flow = x1, x0, 1.0 - time, flow[..., [2, 3, 0, 1]]
    if rng.random() < 0.5:
        order = rng.permutation(3)
        x0, x1, between = x0[..., order], x1[..., order], between[..., order]
    return Sample(x0, x1, between, time, flow)


def _random_time(rng: np.random.Generator) -> float:
    return float(USUAL_TIMES[rng.integers(len(USUAL_TIMES))] if rng.random() < 0.5 else rng.uniform(0.02, 0.98))


# The tiny world -------------------------------------------------------------------------------------------------------


def sample_world(rng: np.random.Generator, height: int, width: int) -> Sample:
    """Return three moments of a training scene of the tiny world; scenes with much motion are drawn more often."""
    scene = world.sample_scene(rng)
    while rng.random() > KEEP.get(scene.motion, KEEP_OTHERS):
        scene = world.sample_scene(rng)
    time = _random_time(rng)
    spacing = rng.choice(SPACINGS, p=SPACING_ODDS) / BASE_FPS
    times = rng.uniform(0, LONGEST_START) + spacing * np.array([0.0, time, 1.0])
    x0, between, x1 = world.draw(scene, times, height, width).astype(np.float32) / 255.0
    return Sample(x0, x1, between, time, world_flow(scene, times, height, width))


def world_flow(scene: world.Scene, times: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the flow from times[1] to times[0] and times[2] (s): float32 [H, W, 4] in pixels, 0 in the background."""
    inside = world.object_mask(scene, times[1:2], height, width)[0, ..., None] > 0.5
    before, now, after = world.object_path(scene, times, height, width)
    return np.where(inside, _rigid_flow(now, [before, after], height, width), 0.0).astype(np.float32)


def _rigid_flow(now, others, height: int, width: int) -> np.ndarray:
    """Return the flow in pixels of a body from `now` (x, y, radius, angle; short sides) to each of `others`."""
    short = min(height, width)
    dx = (np.arange(width)[None, :] + 0.5) / short - now[0]
    dy = (np.arange(height)[:, None] + 0.5) / short - now[1]
    flows = []
    for x, y, radius, angle in others:
        cos, sin = (f(angle - now[3]) * radius / now[2] for f in (np.cos, np.sin))
        flows.append(y + sin * dx + cos * dy - now[1] - dy)
        flows.append(x + cos * dx - sin * dy - now[0] - dx)
    return np.stack(flows, axis=-1) * short


# Other pictures -------------------------------------------------------------------------------------------------------


class _Body:
    """A textured blob, or with `ground` a whole plane, that moves, turns and grows over one interval."""

    def __init__(self, rng: np.random.Generator, span: np.ndarray, *, ground: bool):
        self.ground = ground
        pace = rng.choice([0.0, 0.05, 0.15, 0.3], p=[0.4, 0.3, 0.2, 0.1] if ground else [0.1, 0.4, 0.3, 0.2])
        direction = rng.uniform(0, 2 * np.pi)
        self.radius = 1.0 if ground else rng.uniform(0.07, 0.35)
        self.velocity = pace * rng.uniform(0.3, 1) * np.array([np.cos(direction), np.sin(direction)])
        self.place = rng.uniform(0, 1, 2) * span - self.velocity / 2
        self.pull = rng.normal(0, 0.1, 2) * pace
        turning = rng.random() < (0.2 if ground else 0.4)
        self.turn = rng.uniform(-0.4, 0.4) * turning * (0.3 if ground else 1)
        self.growth = rng.normal(0, 0.1) * (rng.random() < 0.3)
        order = np.arange(1, 6)
        self.wobble = rng.normal(0, 0.35, 5) / order * (rng.random() < 0.7)
        self.phase = rng.uniform(0, 2 * np.pi, 5)
        self.order = order[:, None, None]
        self.lattice = rng.random((32, 32, 3)).astype(np.float32)
        self.cells = rng.uniform(3, 20)
        self.colour = rng.random(3)
        self.contrast = rng.choice([0.0, 0.4, 1.0], p=[0.3, 0.4, 0.3])

    def pose(self, moment: float) -> np.ndarray:
        """Return x, y, radius (short sides) and angle (radians) at a moment of the interval."""
        x, y = self.place + self.velocity * moment + self.pull * moment**2
        return np.array([x, y, self.radius * np.exp(self.growth * moment), self.turn * moment])

    def draw(self, moment: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Return colour [H, W, 3] in 0..1 and coverage [H, W, 1] in 0..1."""
        short = min(height, width)
        x, y, radius, angle = self.pose(moment)
        dx = ((np.arange(width)[None, :] + 0.5) / short - x) / radius
        dy = ((np.arange(height)[:, None] + 0.5) / short - y) / radius
        u, v = np.cos(angle) * dx + np.sin(angle) * dy, np.cos(angle) * dy - np.sin(angle) * dx
        scale = self.cells * self.radius
        texture = self.contrast * _look_up(self.lattice, u * scale, v * scale) + (1 - self.contrast) * self.colour
        if self.ground:
            return texture, np.ones((height, width, 1))
        waves = self.wobble[:, None, None] * np.cos(self.order * np.arctan2(v, u)[None] + self.phase[:, None, None])
        edge = np.maximum(0.3, 1.0 + waves.sum(axis=0))
        return texture, np.clip(0.5 - (np.hypot(u, v) - edge) * radius * short, 0, 1)[..., None]


def _look_up(lattice: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Return smooth noise: the endlessly repeated lattice [n, n, 3], sampled bilinearly at u, v [H, W]."""
    n = len(lattice)
    left, top = np.floor(u).astype(int), np.floor(v).astype(int)
    fx, fy = (u - left)[..., None], (v - top)[..., None]
    upper = lattice[top % n, left % n] * (1 - fx) + lattice[top % n, (left + 1) % n] * fx
    lower = lattice[(top + 1) % n, left % n] * (1 - fx) + lattice[(top + 1) % n, (left + 1) % n] * fx
    return upper * (1 - fy) + lower * fy


def sample_other(rng: np.random.Generator, height: int, width: int) -> Sample:
    """Return three moments of moving, turning, growing textured bodies, sometimes with a change of light."""
    span = np.array([width, height]) / min(height, width)
    bodies = [_Body(rng, span, ground=True)] + [_Body(rng, span, ground=False) for _ in range(rng.integers(1, 4))]
    time = _random_time(rng)
    moments = (0.0, time, 1.0)
    pictures, flow = [], np.zeros((height, width, 4))
    gain, lift = (rng.normal(0, 0.1, 2)) * (rng.random() < 0.2)
    for moment in moments:
        picture = np.zeros((height, width, 3))
        for body in bodies:
            colour, cover = body.draw(moment, height, width)
            picture = picture * (1 - cover) + colour * cover
            if moment == time:
                own = _rigid_flow(body.pose(time), [body.pose(0.0), body.pose(1.0)], height, width)
                flow = np.where(cover > 0.5, own, flow)
        pictures.append(np.clip(picture * (1 + gain * moment) + lift * moment, 0, 1).astype(np.float32))
    x0, between, x1 = pictures
    return Sample(x0, x1, between, time, flow.astype(np.float32))

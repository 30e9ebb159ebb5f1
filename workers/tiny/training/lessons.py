"""Training data of the tiny text-to-video network: clips as latents, with sentences.

Nothing is drawn or stored: a clip's latents are computed from its scene (`workers.tiny.networks.latents`). Only the
backgrounds come from a pool, because painting one takes longer than everything else.
"""

from dataclasses import dataclass, replace

import numpy as np

from workers.tiny.networks.latents import join, object_latents, sample_grounds
from workers.tiny.world.prompts import describe
from workers.tiny.world.scenes import Scene, sample_scene

FRAMES, RATE = 17, 8
SIZES = {"square": (64, 64), "wide": (64, 112), "tall": (112, 64), "broad": (64, 96), "high": (96, 64)}
POOL = {"square": 384, "wide": 96, "tall": 96, "broad": 64, "high": 64}
PLAIN = ("black", "white", "grey")
WAYS = ("moving left", "moving right", "rising", "falling")
MIDDLE = 0.12


@dataclass(frozen=True)
class Lesson:
    """How often each kind of world is drawn (see `sample_lesson`), in which shapes of frame, how many of a clip's 17
    frames are looked at, how many clips a step has, and the least noise (a timestep) that they are shown with."""

    worlds: dict[str, float]
    shapes: dict[str, float]
    frames: int
    clips: int
    least_noise: int = 0


@dataclass(frozen=True)
class Batch:
    """latents float32 [B, 18, F, h, w], which frames they are (int64 [F], rising), sentences and scenes [B], and the
    least noise to show them with."""

    latents: np.ndarray
    frames: np.ndarray
    sentences: list[str]
    scenes: list[Scene]
    least_noise: int = 0


class Teacher:
    """Makes batches, deterministically for a given generator."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self._grounds: dict[str, dict[str, np.ndarray]] = {}

    def batch(self, lesson: Lesson) -> Batch:
        """Return one batch: all its clips have one frame shape and show the same moments."""
        rng = self.rng
        shape = _choose(lesson.shapes, rng)
        frames = np.sort(rng.choice(FRAMES, size=lesson.frames, replace=False))
        scenes = [sample_lesson(_choose(lesson.worlds, rng), rng) for _ in range(lesson.clips)]
        clips = [self.clip(scene, shape, frames) for scene in scenes]
        sentences = [describe(scene, rng) for scene in scenes]
        return Batch(np.stack(clips), frames, sentences, scenes, lesson.least_noise)

    def clip(self, scene: Scene, shape: str, frames: np.ndarray) -> np.ndarray:
        """Return latents of some frames of a scene, with a background from the pool: float32 [18, F, h, w]."""
        if shape not in self._grounds:
            self._grounds[shape] = sample_grounds(np.random.default_rng(17), POOL[shape], *SIZES[shape])
        pool = self._grounds[shape][scene.background]
        ground = pool[self.rng.integers(len(pool))]
        return join(object_latents(scene, frames / RATE, *SIZES[shape]), ground).swapaxes(0, 1)


def sample_lesson(world: str, rng: np.random.Generator) -> Scene:
    """Return a training scene.

    "lines" has one large yellow circle that starts near the middle and goes left, right, up or down over black: all
    there is to learn is which way. "first" is motion and little else, "plain" has no landscapes, "ways" goes left,
    right, up or down and is whole otherwise, as "world" is.
    """
    scene = sample_scene(rng)
    if world == "lines":
        way = WAYS[rng.integers(len(WAYS))]
        return Scene("circle", "yellow", "large", way, "black", _middling_seed(rng))
    if world == "first":
        shape = ("circle", "square")[rng.integers(2)] if scene.motion != "spinning" else "square"
        return replace(scene, shape=shape, colour="yellow", size="large", background="black")
    while (world == "plain" and scene.background not in PLAIN) or (world == "ways" and scene.motion not in WAYS):
        scene = sample_scene(rng)
    return scene


def _middling_seed(rng: np.random.Generator) -> int:
    """Return a scene seed whose position, its first two numbers (see `world.object_path`), is near the middle."""
    while True:
        seed = int(rng.integers(2**31))
        if np.abs(np.random.default_rng(seed).random(2) - 0.5).max() < MIDDLE:
            return seed


def _choose(chances: dict[str, float], rng: np.random.Generator) -> str:
    names = list(chances)
    weights = np.array([chances[name] for name in names])
    return names[rng.choice(len(names), p=weights / weights.sum())]

"""What the tiny text-to-video network is shown while it learns: clips as latents, with sentences.

Nothing is drawn and nothing stored: a clip's latents are computed from its scene (`workers.tiny.latents`). Only the
backgrounds come from a pool, because painting one takes longer than everything else.
"""

from dataclasses import dataclass, replace

import numpy as np

from workers.tiny.latents import join, object_latents, sample_grounds
from workers.tiny.prompts import describe
from workers.tiny.world import Scene, sample_scene

FRAMES, RATE = 17, 8
SIZES = {"square": (64, 64), "wide": (64, 112), "tall": (112, 64), "broad": (64, 96), "high": (96, 64)}
POOL = {"square": 384, "wide": 96, "tall": 96, "broad": 64, "high": 64}
PLAIN = ("black", "white", "grey")


@dataclass(frozen=True)
class Lesson:
    """How often each kind of world is drawn ("first": motion and little else, "plain": no landscapes, "world"), in
    which shapes of frame, how many of a clip's 17 frames are looked at, and how many clips a step has."""

    worlds: dict[str, float]
    shapes: dict[str, float]
    frames: int
    clips: int


@dataclass(frozen=True)
class Batch:
    """latents float32 [B, 18, F, h, w], which frames they are (int64 [F], rising), sentences and scenes [B]."""

    latents: np.ndarray
    frames: np.ndarray
    sentences: list[str]
    scenes: list[Scene]


class Teacher:
    """Makes batches; the same generator gives the same ones."""

    def __init__(self, rng: np.random.Generator):
        self.rng = rng
        self._grounds: dict[str, dict[str, np.ndarray]] = {}

    def batch(self, lesson: Lesson) -> Batch:
        """One batch: all its clips have one shape of frame and show the same moments."""
        rng = self.rng
        shape = _choose(lesson.shapes, rng)
        frames = np.sort(rng.choice(FRAMES, size=lesson.frames, replace=False))
        scenes = [sample_lesson(_choose(lesson.worlds, rng), rng) for _ in range(lesson.clips)]
        clips = [self.clip(scene, shape, frames) for scene in scenes]
        return Batch(np.stack(clips), frames, [describe(scene, rng) for scene in scenes], scenes)

    def clip(self, scene: Scene, shape: str, frames: np.ndarray) -> np.ndarray:
        """Latents of some frames of a scene before a background out of the pool: float32 [18, F, h, w]."""
        if shape not in self._grounds:
            self._grounds[shape] = sample_grounds(np.random.default_rng(17), POOL[shape], *SIZES[shape])
        pool = self._grounds[shape][scene.background]
        ground = pool[self.rng.integers(len(pool))]
        return join(object_latents(scene, frames / RATE, *SIZES[shape]), ground).swapaxes(0, 1)


def sample_lesson(world: str, rng: np.random.Generator) -> Scene:
    """A training scene: `first` is motion and little else, `plain` has no landscapes, others are whole."""
    scene = sample_scene(rng)
    if world == "first":
        shape = ("circle", "square")[rng.integers(2)] if scene.motion != "spinning" else "square"
        return replace(scene, shape=shape, colour="yellow", size="large", background="black")
    while world == "plain" and scene.background not in PLAIN:
        scene = sample_scene(rng)
    return scene


def _choose(chances: dict[str, float], rng: np.random.Generator) -> str:
    names = list(chances)
    weights = np.array([chances[name] for name in names])
    return names[rng.choice(len(names), p=weights / weights.sum())]

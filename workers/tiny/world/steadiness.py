"""Flicker of a clip's object: how much its size and hue vary although the prompt gives no reason to."""

import colorsys
from dataclasses import dataclass

import numpy as np

from workers.tiny.world.judge import RATE, find_background, follow_object, prepare
from workers.tiny.world.scenes import Scene

CORE = 0.9  # mask value above which a pixel shows only the object, nothing behind it
# Thresholds of steadiness. Drawn clips, seen by the same judge, stay below both in 99 of 100
# (tests/workers/tiny/world/test_steadiness.py).
STEADY_SIZE = 0.10
STEADY_HUE = 8.0


@dataclass(frozen=True)
class Steadiness:
    """`size`: deviation of the radius over the clip, as a share of its mean; `hue`: of the hue, in degrees."""

    size: float
    hue: float

    @property
    def is_steady(self) -> bool:
        return self.size <= STEADY_SIZE and self.hue <= STEADY_HUE


def measure(clip: np.ndarray, asked: Scene, fps: float = RATE) -> Steadiness | None:
    """Return the steadiness of a clip, uint8 RGB [F, H, W, 3], of the requested scene.

    Return None if no object is found. An object meant to grow or shrink is judged by its hue only.
    """
    frames = prepare(clip, fps)
    track = follow_object(frames, find_background(frames))
    if track is None:
        return None
    changes = asked.motion in ("growing", "shrinking")
    size = 0.0 if changes else float(track.radii.std() / track.radii.mean())
    return Steadiness(size, _hue_deviation(track.frames, track.masks))


def share(measured: list[Steadiness | None]) -> float:
    """Return the share of clips whose object is steady; clips without an object count as unsteady."""
    return float(np.mean([found is not None and found.is_steady for found in measured]))


def _hue_deviation(frames: np.ndarray, masks: np.ndarray) -> float:
    """Return the circular deviation, in degrees, of the hue of the object's mean colour over the frames."""
    angles = []
    for frame, mask in zip(frames, masks, strict=True):
        core = mask >= min(CORE, mask.max())
        angles.append(2 * np.pi * colorsys.rgb_to_hsv(*(frame[core].mean(axis=0) / 255.0))[0])
    together = min(1.0, float(np.abs(np.exp(1j * np.array(angles)).mean())))
    return float(np.degrees(np.sqrt(-2.0 * np.log(together)))) if together > 0 else 180.0

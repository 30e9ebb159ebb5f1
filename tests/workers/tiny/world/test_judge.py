"""The judge is right about drawn clips, sharp or degraded, small or large; otherwise it could not judge a model."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from workers.tiny.world.judge import judge
from workers.tiny.world.scenes import BACKGROUNDS, COLOURS, MOTIONS, Scene, draw, sample_scene

ATTRIBUTES = ("background", "colour", "motion", "shape", "size")


def spoil(clip, rng):
    """Blur by about a 64th of the frame and add noise, as a small model would."""
    radius = clip.shape[1] / 70
    blurred = np.stack([np.asarray(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(radius))) for frame in clip])
    return np.clip(blurred + rng.normal(0, 6, clip.shape), 0, 255).astype(np.uint8)


def shares(count, size, spoilt, seconds=2.0, fps=8):
    rng = np.random.default_rng(9)
    right = []
    for number in range(count):
        scene = sample_scene(rng, held_out=number % 2 == 0)
        clip = draw(scene, np.arange(round(seconds * fps) + 1) / fps, *size)
        seen = judge(spoil(clip, rng) if spoilt else clip, fps)
        right.append([getattr(scene, name) == getattr(seen, name) for name in ATTRIBUTES])
    return dict(zip(ATTRIBUTES, np.mean(right, axis=0), strict=True))


@pytest.mark.parametrize("spoilt", [False, True])
def test_judges_clips_of_the_model_s_size(spoilt):
    right = shares(40, (64, 64), spoilt)
    assert right["background"] >= 0.99
    assert right["colour"] >= 0.97
    assert min(right["motion"], right["shape"], right["size"]) >= 0.95


def test_judges_finished_videos():
    right = shares(3, (256, 256), spoilt=False, fps=24)
    assert min(right.values()) == 1.0


def test_judges_other_aspect_ratios():
    right = shares(10, (64, 112), spoilt=False)
    assert min(right.values()) >= 0.9


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_tells_every_colour_from_every_background(background):
    for number, colour in enumerate(COLOURS):
        clip = draw(Scene("circle", colour, "small", "still", background, number), np.arange(3) / 8, 64, 64)
        seen = judge(clip)
        assert (seen.background, seen.colour) == (background, colour)


@pytest.mark.parametrize("motion", MOTIONS)
def test_tells_every_motion(motion):
    rng = np.random.default_rng(MOTIONS.index(motion))
    for _ in range(4):
        scene = replace(sample_scene(rng), motion=motion, shape="heart")
        assert judge(draw(scene, np.arange(17) / 8, 64, 64)).motion == motion


def test_an_empty_clip_has_a_background_and_no_object():
    seen = judge(np.full((9, 64, 64, 3), 8, np.uint8))
    assert (seen.background, seen.colour, seen.motion) == ("black", "", "")

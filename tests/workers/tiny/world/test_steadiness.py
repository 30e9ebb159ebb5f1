"""Drawn clips don't count as flickering; wavering ones do."""

from dataclasses import replace

import numpy as np

from workers.tiny.world.scenes import Scene, draw, sample_scene
from workers.tiny.world.steadiness import measure

TIMES = np.arange(17) / 8


def drawn(scene):
    return draw(scene, TIMES, 64, 64)


def test_drawn_clips_are_steady():
    rng = np.random.default_rng(4)
    scenes = [sample_scene(rng) for _ in range(60)]
    steady = [measure(drawn(scene), scene).is_steady for scene in scenes]
    assert np.mean(steady) >= 0.98


def test_an_object_that_changes_its_colour_is_not_steady():
    scene = Scene("heart", "red", "large", "still", "black", 3)
    clip = drawn(scene)
    clip[8:] = drawn(replace(scene, colour="orange"))[8:]
    assert measure(clip, scene).hue > 8


def test_an_object_that_swells_is_steady_only_where_it_was_asked_to():
    scene = Scene("square", "blue", "large", "growing", "grey", 5)
    clip = drawn(scene)
    assert measure(clip, scene).is_steady
    assert not measure(clip, replace(scene, motion="still")).is_steady


def test_a_clip_without_an_object_has_no_steadiness():
    assert measure(np.full((9, 64, 64, 3), 8, np.uint8), Scene("heart", "red", "large", "still", "black")) is None

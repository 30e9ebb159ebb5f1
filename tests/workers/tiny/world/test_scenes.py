"""The drawn world: complete at every size, consistent between resolutions, with objects that stay inside the frame."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from workers.tiny.world import scenes as world
from workers.tiny.world.scenes import BACKGROUNDS, COLOURS, MOTIONS, SHAPES, SIZES, Scene

TIMES = np.arange(33) / 8


def scenes(count, seed=0):
    rng = np.random.default_rng(seed)
    return [world.sample_scene(rng) for _ in range(count)]


@pytest.mark.parametrize("height, width", [(64, 64), (64, 112), (112, 64), (33, 57)])
def test_draws_any_size(height, width):
    frames = world.draw(scenes(1)[0], TIMES[:3], height, width)
    assert frames.shape == (3, height, width, 3)
    assert frames.dtype == np.uint8


@pytest.mark.parametrize("motion", MOTIONS)
@pytest.mark.parametrize("height, width", [(64, 64), (64, 112), (112, 64)])
def test_the_object_stays_inside_the_frame(motion, height, width):
    for scene in scenes(8, seed=MOTIONS.index(motion)):
        mask = world.object_mask(replace(scene, motion=motion), TIMES, height, width)
        assert mask.max(axis=(1, 2)).min() == 1.0
        edges = np.concatenate([mask[:, 0], mask[:, -1], mask[:, :, 0], mask[:, :, -1]], axis=1)
        assert edges.max() == 0.0


def test_the_same_scene_gives_the_same_frames():
    scene = scenes(1)[0]
    assert np.array_equal(world.draw(scene, TIMES, 64, 64), world.draw(scene, TIMES, 64, 64))


def test_time_is_continuous_and_frames_are_independent():
    scene = replace(scenes(1)[0], motion="moving left")
    early, late = world.draw(scene, np.array([0.5, 0.5001]), 64, 64).astype(int)
    assert np.abs(early - late).max() <= 2
    assert np.array_equal(world.draw(scene, np.array([0.5]), 64, 64)[0], early)


def test_a_large_picture_averages_to_the_small_one():
    for scene in scenes(8):
        large = world.draw(scene, TIMES[:2], 256, 256).astype(float)
        small = world.draw(scene, TIMES[:2], 64, 64).astype(float)
        averaged = large.reshape(2, 64, 4, 64, 4, 3).mean(axis=(2, 4))
        assert np.abs(averaged - small).mean() < 2.0


@pytest.mark.parametrize(
    "motion, column, sign",
    [
        ("moving left", 0, -1),
        ("moving right", 0, 1),
        ("rising", 1, -1),
        ("falling", 1, 1),
        ("growing", 2, 1),
        ("shrinking", 2, -1),
        ("spinning", 3, 1),
    ],
)
def test_motions_go_where_they_say(motion, column, sign):
    path = world.object_path(Scene("star", "red", "large", motion, "black", 3), TIMES[:17], 64, 64)
    assert sign * (path[-1, column] - path[0, column]) > 0.1
    others = [other for other in range(4) if other != column and column != 2]
    assert np.ptp(path[:, others], axis=0).max(initial=0.0) == 0.0


def test_about_a_tenth_is_held_out_and_sampling_respects_it():
    everything = [Scene(*values) for values in product(SHAPES, COLOURS, SIZES, MOTIONS, BACKGROUNDS)]
    assert 0.08 < np.mean([world.is_held_out(scene) for scene in everything]) < 0.12
    rng = np.random.default_rng(1)
    assert all(world.is_held_out(world.sample_scene(rng, held_out=True)) for _ in range(50))
    assert not any(world.is_held_out(scene) for scene in scenes(50))


def test_the_seed_does_not_decide_what_is_held_out():
    scene = scenes(1)[0]
    assert world.is_held_out(replace(scene, seed=99)) == world.is_held_out(scene)


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_are_signed_distances(shape):
    steps = np.linspace(-1.5, 1.5, 61, dtype=np.float32)
    distance = world.outline_distance(shape, steps[None, :], steps[:, None])
    assert distance[30, 30] < -0.2
    assert distance[0].min() > 0
    slope = np.abs(np.diff(distance, axis=1)).max() / (steps[1] - steps[0])
    assert slope < 1.02


def test_a_spinning_circle_is_never_sampled():
    assert not any(scene.shape == "circle" and scene.motion == "spinning" for scene in scenes(2000))

"""The designed latents describe a scene, and do so consistently."""

from dataclasses import replace

import numpy as np
import pytest

from workers.tiny.networks import latents
from workers.tiny.networks.latents import CHANNELS, COLOUR_CODES, OBJECT_GAIN, SHAPE_CODES, scene_latents
from workers.tiny.training import lessons
from workers.tiny.world.scenes import COLOURS, SHAPES, is_held_out, object_path, sample_scene

TIMES = np.arange(17) / 8


def scenes(count, seed=0):
    rng = np.random.default_rng(seed)
    return [sample_scene(rng) for _ in range(count)]


@pytest.mark.parametrize("height, width", [(64, 64), (64, 112), (112, 64), (128, 128)])
def test_a_latent_covers_eight_pixels_by_eight(height, width):
    found = scene_latents(scenes(1)[0], TIMES, height, width)
    assert found.shape == (17, CHANNELS, height // 8, width // 8)
    assert found.dtype == np.float32


def test_every_attribute_can_be_read_where_the_object_is():
    for scene in scenes(60):
        clip = scene_latents(scene, TIMES, 64, 64)
        frame, row, column = np.unravel_index(clip[:, 0].argmax(), clip[:, 0].shape)
        place = clip[frame, :, row, column] / clip[frame, 0, row, column]
        assert min(SHAPES, key=lambda name: np.linalg.norm(place[6:9] - SHAPE_CODES[name])) == scene.shape
        assert min(COLOURS, key=lambda name: np.linalg.norm(place[9:12] - COLOUR_CODES[name])) == scene.colour
        radius = place[3] * latents.RADIUS_UNIT + latents.MIDDLE_RADIUS
        assert radius == pytest.approx(object_path(scene, TIMES, 64, 64)[frame, 2], abs=1e-3)


def test_the_way_channels_point_away_from_the_centre():
    for scene in scenes(20, seed=1):
        clip = scene_latents(scene, TIMES[:1], 64, 64)[0]
        x, y = object_path(scene, TIMES[:1], 64, 64)[0, :2]
        row, column = np.unravel_index(clip[0].argmax(), clip[0].shape)
        way = clip[1:3, row, column] / clip[0, row, column] * latents.WAY_UNIT
        assert way == pytest.approx([(column + 0.5) / 8 - x, (row + 0.5) / 8 - y], abs=1e-3)


def test_no_object_is_ever_lost_between_the_cells():
    for scene in scenes(80, seed=2):
        discs = scene_latents(scene, np.arange(25) / 8, 64, 64)[:, 0] / OBJECT_GAIN
        assert discs.max(axis=(1, 2)).min() > 0.5


def test_the_background_stands_still_and_does_not_depend_on_the_object():
    scene = scenes(1, seed=3)[0]
    one, other = (scene_latents(replace(scene, shape=shape), TIMES, 64, 64) for shape in ("star", "circle"))
    assert np.array_equal(one[:, latents.BACKGROUND], other[:, latents.BACKGROUND])
    assert np.ptp(one[:, latents.BACKGROUND], axis=0).max() == 0.0


def test_no_channel_drowns_the_others():
    clips = np.concatenate([scene_latents(scene, TIMES, 64, 64) for scene in scenes(200, seed=4)])
    deviations = clips.std(axis=(0, 2, 3))
    assert deviations.min() > 0.1
    assert deviations.max() < 1.5


def test_lessons_show_the_same_moments_and_nothing_that_is_held_out():
    teacher = lessons.Teacher(np.random.default_rng(0))
    lesson = lessons.Lesson({"world": 0.5, "plain": 0.5}, {"square": 0.5, "high": 0.5}, frames=6, clips=8)
    for _ in range(6):
        batch = teacher.batch(lesson)
        assert batch.latents.shape[:3] == (8, CHANNELS, 6)
        assert len(set(batch.frames)) == 6 and sorted(batch.frames) == list(batch.frames)
        assert not any(is_held_out(scene) for scene in batch.scenes)


def test_the_first_lesson_is_about_motion_alone():
    drawn = [lessons.sample_lesson("first", np.random.default_rng(n)) for n in range(60)]
    assert {(scene.colour, scene.size, scene.background) for scene in drawn} == {("yellow", "large", "black")}
    assert len({scene.motion for scene in drawn}) == 10

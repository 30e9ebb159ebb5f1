"""Training data of the interpolation network: flows are correct, and held-out scenes are never drawn."""

import numpy as np
import pytest

from workers.tiny.training import film_data
from workers.tiny.world import scenes as world

pytestmark = pytest.mark.thorough


def look_back(image: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Sample `image` [H, W, 3] bilinearly where `flow` (y, x) points."""
    height, width, _ = image.shape
    rows = np.clip(np.arange(height)[:, None] + flow[..., 0], 0, height - 1.001)
    columns = np.clip(np.arange(width)[None, :] + flow[..., 1], 0, width - 1.001)
    top, left = rows.astype(int), columns.astype(int)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    above = image[top, left] * (1 - right) + image[top, left + 1] * right
    below = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return above * (1 - down) + below * down


@pytest.mark.parametrize("make", [film_data.sample_world, film_data.sample_other])
def test_following_the_flow_explains_the_frame_in_between(make):
    """Taking the better of the two frames excludes occlusions; edges and lighting remain, so 6 dB is plenty."""
    rng = np.random.default_rng(4)
    followed, blended = [], []
    for _ in range(40):
        sample = film_data.augment(make(rng, 64, 64), rng)
        warped = [look_back(sample.x0, sample.flow[..., :2]), look_back(sample.x1, sample.flow[..., 2:])]
        followed.append(np.minimum(*(np.abs(w - sample.between) for w in warped)) ** 2)
        blended.append((sample.x0 * (1 - sample.time) + sample.x1 * sample.time - sample.between) ** 2)
    assert np.mean(followed) < np.mean(blended) / 4


def test_the_background_of_the_tiny_world_stands_still():
    scene = world.Scene("circle", "red", "large", "moving right", "black", seed=3)
    times = np.array([0.5, 0.5625, 0.625])
    flow = film_data.world_flow(scene, times, 64, 64)
    inside = world.object_mask(scene, times[1:2], 64, 64)[0] > 0.5
    assert (flow[~inside] == 0).all()
    step = (world.object_path(scene, times, 64, 64)[2, 0] - world.object_path(scene, times, 64, 64)[1, 0]) * 64
    assert step > 0.5
    assert np.allclose(flow[inside], [0, -step, 0, step], atol=0.02)


def test_a_batch_depends_on_seed_and_step_alone():
    first, again, other = film_data.make_batch(3, 5), film_data.make_batch(3, 5), film_data.make_batch(3, 6)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert first["x0"].shape != other["x0"].shape or not np.array_equal(first["x0"], other["x0"])


def test_batches_have_the_shapes_and_ranges_they_promise():
    for step in range(6):
        batch = film_data.make_batch(0, step)
        count, height, width, _ = batch["x0"].shape
        assert count * height * width == film_data.PIXELS
        assert batch["between"].shape == batch["x1"].shape == batch["x0"].shape
        assert batch["flow"].shape == (count, height, width, 4)
        assert batch["time"].shape == (count, 1)
        assert all(array.dtype == np.float32 for array in batch.values())
        assert 0 < batch["time"].min() <= batch["time"].max() < 1
        assert min(batch[name].min() for name in ("x0", "x1", "between")) >= 0
        assert max(batch[name].max() for name in ("x0", "x1", "between")) <= 1


def test_training_never_sees_a_held_out_scene(monkeypatch):
    seen, draw = [], world.draw

    def watched(scene, *arguments):
        seen.append(scene)
        return draw(scene, *arguments)

    monkeypatch.setattr(world, "draw", watched)
    rng = np.random.default_rng(0)
    for _ in range(300):
        film_data.sample_world(rng, 8, 8)
    assert len(seen) == 300
    assert not any(world.is_held_out(scene) for scene in seen)

"""Batch sizes are chosen by measuring: larger ones only where they pay, and never more than fit."""

import numpy as np
import pytest

from tests.upscaling import compact_state, largest_difference, picture, write
from workers.engines.batching import RUNS, BatchSizes
from workers.engines.realesrgan import RealEsrganEngine
from workers.engines.upscale_network import Network


class Machine:
    """A clock that advances by what a batch costs on some machine: `cost(frames)` in seconds."""

    def __init__(self, cost):
        self.cost, self.now, self.done = cost, 0.0, []

    def __call__(self):
        return self.now

    def compute(self, frames):
        self.done.append(frames)
        self.now += self.cost(frames)
        return frames


def settled(cost, most=16, frames=200):
    """Return the batch size used in the end, and everything that was computed on the way."""
    machine = Machine(cost)
    sizes = BatchSizes(machine)
    left = frames
    while left:
        size = min(left, sizes.choose("key", most))
        left -= sizes.measured("key", size, lambda size=size: machine.compute(size))
    return sizes.choose("key", most), machine.done


def test_batches_that_take_longer_than_their_frames_are_given_up_after_the_first_try():
    size, done = settled(lambda frames: frames * (1.0 if frames == 1 else 1.3))
    assert size == 1
    assert sum(count for count in done if count > 1) == 2 * RUNS


def test_batches_grow_as_long_as_that_pays():
    assert settled(lambda frames: 1 + 0.01 * frames)[0] == 16
    assert settled(lambda frames: 1 + 0.01 * frames, most=4)[0] == 4
    assert settled(lambda frames: 1 + 0.1 * frames if frames <= 4 else frames)[0] == 4
    assert settled(lambda frames: frames * 0.99 if frames > 1 else 1.0)[0] == 1, "a hundredth is noise"


def test_a_slow_first_run_does_not_count():
    seen = set()

    def cost(frames):
        first = frames not in seen
        seen.add(frames)
        return 50.0 if first else 1 + 0.01 * frames

    assert settled(cost)[0] == 16


def test_a_batch_that_fails_is_not_measured():
    sizes = BatchSizes(Machine(lambda frames: 1.0))

    def fail():
        raise MemoryError

    for _ in range(3):
        with pytest.raises(MemoryError):
            sizes.measured("key", 1, fail)
    assert sizes.choose("key", 16) == 1


def test_every_size_of_frame_is_measured_for_itself():
    sizes = BatchSizes(Machine(lambda frames: 1.0))
    for frames in (1, 1, 2, 2):
        sizes.measured("small", frames, lambda: None)
    assert sizes.choose("small", 16) == 4
    assert sizes.choose("large", 16) == 1


def test_the_upscaler_gives_the_same_frames_whatever_pays(tmp_path, monkeypatch):
    paths = {4: write(tmp_path / "x4.safetensors", compact_state(4))}
    enlarge, seconds, results = Network.enlarge, {"growing": lambda n: 1.0, "single": lambda n: 2.0 * n * n}, {}
    for name, cost in seconds.items():
        machine = Machine(cost)

        def computed(self, frames, tile, reduce=1, machine=machine):
            machine.compute(len(frames))
            return enlarge(self, frames, tile, reduce)

        monkeypatch.setattr(Network, "enlarge", computed)
        engine = RealEsrganEngine(paths, device="cpu", batches=BatchSizes(machine))
        results[name] = engine.upscale(picture(20, 12, 16), 4)
        assert sum(machine.done) == 20
        assert max(machine.done) == {"growing": 6, "single": 2}[name]
    assert largest_difference(results["growing"], results["single"]) <= 1
    assert results["growing"].dtype == np.uint8

import subprocess
import sys

import numpy as np
import pytest
import torch

from generation.domain.errors import Cancelled, RenderError
from tests.upscaling import compact_state, largest_difference, picture, write
from workers.engines import devices, memory, realesrgan, registry
from workers.engines.base import Engine
from workers.engines.realesrgan import Passes, RealEsrganEngine, plan_passes
from workers.engines.upscale_network import Mode, Network


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def compact(tmp_path):
    """Write compact checkpoints of both scales: {4: path, 2: path}."""
    return {scale: write(tmp_path / f"x{scale}.safetensors", compact_state(scale)) for scale in (4, 2)}


# What comes out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_frames_come_out_larger_by_exactly_the_factor(compact, factor):
    large = RealEsrganEngine(compact).upscale(picture(3, 10, 13), factor)
    assert large.shape == (3, 10 * factor, 13 * factor, 3)
    assert large.dtype == np.uint8
    assert large.flags["C_CONTIGUOUS"]


def test_the_output_is_what_the_architecture_computes_away_from_the_edges(compact):
    from spandrel import ModelLoader

    frames = picture(2, 40, 40)
    tensor = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        expected = ModelLoader().load_from_file(compact[4])(tensor)
    expected = (expected * 255).round().byte().permute(0, 2, 3, 1).numpy()
    inner = np.s_[:, 24:-24, 24:-24]
    assert largest_difference(RealEsrganEngine(compact).upscale(frames, 4)[inner], expected[inner]) <= 1


def test_eight_is_four_and_then_two(compact):
    engine, frames = RealEsrganEngine(compact), picture(2, 9, 12)
    np.testing.assert_array_equal(engine.upscale(frames, 8), engine.upscale(engine.upscale(frames, 4), 2))


def test_a_batch_gives_what_its_frames_give_one_by_one(compact):
    engine, frames = RealEsrganEngine(compact), picture(5)
    singles = np.concatenate([engine.upscale(frame[None], 4) for frame in frames])
    assert largest_difference(engine.upscale(frames, 4), singles) <= 1


def test_the_same_frames_give_the_same_bytes_in_another_engine(compact):
    frames = picture(3)
    np.testing.assert_array_equal(
        RealEsrganEngine(compact).upscale(frames, 4), RealEsrganEngine(compact).upscale(frames, 4)
    )


def test_frames_that_are_not_contiguous_or_read_only_are_taken_as_they_are(compact):
    engine, frames = RealEsrganEngine(compact), picture(2)
    expected = engine.upscale(np.ascontiguousarray(frames[:, ::-1]), 2)
    view = frames[:, ::-1]
    view.flags.writeable = False
    np.testing.assert_array_equal(engine.upscale(view, 2), expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3)])
def test_even_the_smallest_frames_are_enlarged(compact, size):
    assert RealEsrganEngine(compact).upscale(picture(1, *size), 4).shape == (1, 4 * size[0], 4 * size[1], 3)


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((1, 8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((1, 8, 8, 4), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((1, 0, 8, 3), np.uint8),
    ],
)
def test_what_is_no_stack_of_rgb_frames_is_refused(compact, frames):
    with pytest.raises(ValueError, match="uint8"):
        RealEsrganEngine(compact).upscale(frames, 4)


# Factors that no checkpoint was made for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("factor", "scales", "expected"),
    [
        (2, [2, 4], Passes((2,))),
        (4, [2, 4], Passes((4,))),
        (8, [2, 4], Passes((4, 2))),
        (8, [2, 4, 8], Passes((8,))),
        (2, [4], Passes((4,), reduce=2)),
        (8, [4], Passes((4, 4), reduce=2)),
        (4, [2], Passes((2, 2))),
        (8, [2], Passes((2, 2, 2))),
        (4, [8], Passes((8,), reduce=2)),
        (2, [3], None),
        (4, [], None),
        (4, [1], None),
    ],
)
def test_among_equal_networks_a_factor_is_reached_by_the_fewest_pixels_and_passes(factor, scales, expected):
    assert plan_passes(factor, dict.fromkeys(scales, 1.0)) == expected


@pytest.mark.parametrize(
    ("factor", "costs", "expected"),
    [
        # x2plus works on a quarter of the pixels of x4plus; beside the video network, both are slow.
        (2, {4: 100.0, 2: 25.0}, Passes((2,))),
        (4, {4: 100.0, 2: 25.0}, Passes((4,))),
        (8, {4: 100.0, 2: 25.0}, Passes((4, 2))),
        (2, {4: 4.0, 2: 25.0}, Passes((4,), reduce=2)),
        (4, {4: 4.0, 2: 25.0}, Passes((4,))),
        (8, {4: 4.0, 2: 25.0}, Passes((4, 4), reduce=2)),
        (4, {4: 100.0, 2: 1.0}, Passes((2, 2))),
    ],
)
def test_a_factor_is_reached_by_the_cheapest_passes_and_not_by_the_fewest_pixels(factor, costs, expected):
    assert plan_passes(factor, costs) == expected


def test_the_cost_of_a_network_is_measured(tmp_path):
    fast = write(tmp_path / "x4.safetensors", compact_state(4))
    slow = write(tmp_path / "x2.safetensors", compact_state(2, convolutions=24))
    engine = RealEsrganEngine({4: fast, 2: slow})
    assert engine._cost(2) > 3 * engine._cost(4)
    engine.load(2)
    assert list(engine._networks) == [4]
    assert engine.upscale(picture(), 2).shape == (1, 48, 64, 3)


@pytest.mark.parametrize("factor", [1, 0, -2])
def test_a_factor_that_does_not_enlarge_is_refused(factor):
    with pytest.raises(ValueError, match="factor"):
        plan_passes(factor, {2: 1.0, 4: 1.0})


def test_two_from_a_four_times_network_is_the_average_of_areas_and_is_logged(compact, caplog):
    frames = picture(2)
    engine = RealEsrganEngine({4: compact[4]})
    with caplog.at_level("INFO"):
        large = engine.upscale(frames, 2)
    assert "x2 is made by x4, then averaging areas of 2x2" in caplog.text
    four = engine.upscale(frames, 4).astype(float)
    areas = four.reshape(2, 48, 2, 64, 2, 3).mean(axis=(2, 4))
    assert np.abs(large - areas).max() <= 1.001


def test_a_checkpoint_that_is_listed_but_absent_is_made_up_for_by_another(compact, tmp_path):
    engine = RealEsrganEngine({4: compact[4], 2: tmp_path / "absent.pth"})
    assert engine.upscale(picture(), 8).shape == (1, 192, 256, 3)


# Batches -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("side", "frames"), [(32, 16), (64, 6), (96, 2), (128, 1), (512, 1)])
def test_on_the_cpu_a_batch_depends_on_the_size_of_a_frame_alone(compact, monkeypatch, side, frames):
    network = Network(compact[4], 4, "cpu", "float32")
    for free in (2**40, 2**33, 2**31):
        monkeypatch.setattr(devices, "free", lambda device, free=free: free)
        assert network.first_mode(side, side) == Mode(frames)


def test_engines_that_were_loaded_apart_give_the_same_bytes(compact):
    frames, first = picture(9, 64, 64), RealEsrganEngine(compact)
    clip = first.upscale(frames, 4)
    assert np.array_equal(first.upscale(frames, 4), clip)
    assert np.array_equal(RealEsrganEngine(compact).upscale(frames, 4), clip)


# Progress and cancelling ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [4, 8])
def test_progress_starts_at_nothing_rises_and_ends_at_all(compact, factor, monkeypatch):
    monkeypatch.setattr(Network, "first_mode", lambda self, height, width: Mode(2))
    calls = []
    RealEsrganEngine(compact).upscale(picture(5), factor, lambda *call: calls.append(call))
    done, totals, previews = zip(*calls, strict=True)
    assert done[0] == 0
    assert done[-1] == totals[0]
    assert list(done) == sorted(set(done))
    assert len(set(totals)) == 1
    assert set(previews) == {None}
    assert len(calls) == 1 + 3 * (factor // 4)


def test_cancelling_passes_through_at_once_and_the_engine_stays_usable(compact, monkeypatch):
    monkeypatch.setattr(Network, "first_mode", lambda self, height, width: Mode(1))
    engine, seen = RealEsrganEngine(compact), []

    def cancel_after_two(done, total, preview):
        seen.append(done)
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        engine.upscale(picture(6), 4, cancel_after_two)
    assert seen == [0, 1, 2]
    assert engine.upscale(picture(1), 4).shape == (1, 96, 128, 3)


# Memory runs out -----------------------------------------------------------------------------------------------------


@pytest.fixture
def limited_memory(monkeypatch):
    """Raise out-of-memory for inputs of more than `limit` pixels; record attempts, count calls that free memory."""

    class Limit:
        limit, tried, freed = 10**9, [], 0

    state = Limit()
    run, free = Network._run, memory.free_memory

    def run_within_limit(self, window):
        state.tried.append((len(window), max(window.shape[2:])))
        if window.shape[0] * window.shape[2] * window.shape[3] > state.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.99 GiB")
        return run(self, window)

    def count_and_free():
        state.freed += 1
        free()

    monkeypatch.setattr(Network, "_run", run_within_limit)
    monkeypatch.setattr(realesrgan, "free_memory", count_and_free)
    return state


def test_out_of_memory_halves_the_batch_and_remembers_it(compact, limited_memory):
    frames = picture(8, 32, 32)
    engine = RealEsrganEngine(compact)
    expected = engine.upscale(frames, 4)
    limited_memory.limit = 3 * 48 * 48
    limited_memory.tried.clear()
    assert largest_difference(engine.upscale(frames, 4), expected) <= 1
    assert [batch for batch, _ in limited_memory.tried] == [8, 4, 2, 2, 2, 2]
    assert limited_memory.freed == 2
    limited_memory.tried.clear()
    engine.upscale(frames, 4)
    assert [batch for batch, _ in limited_memory.tried] == [2, 2, 2, 2]


def test_after_a_while_or_with_more_room_larger_batches_are_tried_again(compact, limited_memory, monkeypatch):
    engine, frames, free = RealEsrganEngine(compact), picture(4, 32, 32), 8 * 2**30
    monkeypatch.setattr(realesrgan, "room", lambda _device: free)
    monkeypatch.setattr(realesrgan, "PATIENCE", 2)

    def batches():
        limited_memory.tried.clear()
        engine.upscale(frames, 4)
        return [batch for batch, _ in limited_memory.tried]

    limited_memory.limit = 2 * 48 * 48
    assert batches() == [4, 2, 2]
    assert [batches(), batches()] == [[2, 2]] * 2
    assert batches() == [4, 2, 2]  # tried again, in vain
    limited_memory.limit, free = 10**9, free + realesrgan.MORE_ROOM
    assert batches() == [4]


def test_other_models_are_released_before_the_batch_is_halved(compact, limited_memory, monkeypatch):
    engine, frames = RealEsrganEngine(compact), picture(4, 32, 32)
    released = []

    def release_others(keeps, _why):
        limited_memory.limit = 10**9
        released.append(keeps)
        return len(released) == 1

    monkeypatch.setattr(realesrgan.registry, "release_others", release_others)
    limited_memory.limit = 2 * 48 * 48
    engine.upscale(frames, 4)
    assert [batch for batch, _ in limited_memory.tried] == [4, 4]
    assert released == [engine]


def test_out_of_memory_with_one_frame_goes_on_in_ever_smaller_tiles(compact, limited_memory):
    frames = picture(2, 160, 96)
    engine = RealEsrganEngine(compact)
    expected = engine.upscale(frames, 2)
    limited_memory.limit = 60 * 60
    limited_memory.tried.clear()
    steps = []
    assert largest_difference(engine.upscale(frames, 2, lambda *call: steps.append(call[0])), expected) <= 1
    # One frame, tiles of 128 and of 64 (with their margins) do not fit; tiles of 32 do.
    assert [side for _, side in limited_memory.tried[:3]] == [176, 144, 80]
    assert max(side for _, side in limited_memory.tried[3:]) == 48
    assert steps == [0, 1, 2]


def test_out_of_memory_is_an_error_for_the_person_only_below_the_smallest_tile(compact, limited_memory):
    engine = RealEsrganEngine(compact, label="Real-ESRGAN video")
    limited_memory.limit = 0
    with pytest.raises(RenderError) as caught:
        engine.upscale(picture(4, 64, 64), 4)
    assert caught.value.id == "out-of-memory"
    assert limited_memory.freed == len(limited_memory.tried) == 4  # batches of 4, 2, 1, then tiles of 32
    limited_memory.limit = 10**9
    assert RealEsrganEngine(compact).upscale(picture(1, 64, 64), 4).shape == (1, 256, 256, 3)


def test_other_errors_are_not_taken_for_a_lack_of_memory(compact, monkeypatch):
    def fail(self, window):
        raise RuntimeError("expected scalar type Half but found Float")

    monkeypatch.setattr(Network, "_run", fail)
    with pytest.raises(RuntimeError, match="scalar type"):
        RealEsrganEngine(compact).upscale(picture(), 4)


# Keeping warm --------------------------------------------------------------------------------------------------------


def test_only_what_a_factor_takes_is_loaded_and_released_again(compact):
    engine = RealEsrganEngine(compact)
    assert engine.memory_bytes == 0
    engine.load(2)
    two = engine.memory_bytes
    engine.load()
    assert 0 < two < engine.memory_bytes
    engine.release()
    assert engine.memory_bytes == 0
    assert engine.upscale(picture(), 2).shape == (1, 48, 64, 3)


def test_a_warm_engine_does_not_read_its_file_again(compact):
    engine = RealEsrganEngine(compact)
    expected = engine.upscale(picture(), 4)
    compact[4].unlink()
    np.testing.assert_array_equal(engine.upscale(picture(), 4), expected)


def test_the_registry_keeps_it(compact):
    warm = registry.Registry(budget_bytes=10**9)
    engine = warm.get("upscaler", lambda: RealEsrganEngine(compact))
    assert isinstance(engine, Engine)
    assert warm.get("upscaler", lambda: RealEsrganEngine({})) is engine
    assert warm.used_bytes == engine.memory_bytes > 0


def test_importing_the_engine_loads_no_torch():
    code = "import sys, workers.engines.realesrgan; sys.exit('torch' in sys.modules or 'spandrel' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)

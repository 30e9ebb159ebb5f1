import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from generation.errors import Cancelled, RenderError
from workers.engines import memory, realesrgan, registry, upscale_network
from workers.engines.base import Engine
from workers.engines.realesrgan import Passes, RealEsrganEngine, plan_passes
from workers.engines.upscale_network import Mode, Network, continue_edges

FILTERS, GROWTH = 64, 32


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


# Checkpoints in the layouts in which Real-ESRGAN's are published, with random weights -------------------------------


def convolution(state, name, inputs, outputs, generator, gain=1.0):
    weight = torch.randn((outputs, inputs, 3, 3), generator=generator)
    state[f"{name}.weight"] = weight * gain / (9 * inputs) ** 0.5
    state[f"{name}.bias"] = torch.zeros(outputs)


def compact_state(scale, features=16, convolutions=3, seed=0, gain=0.5):
    """As realesr-animevideov3.pth: `body` of convolutions and PReLUs."""
    generator, state = torch.Generator().manual_seed(seed), {}
    for index in range(convolutions + 1):
        convolution(state, f"body.{2 * index}", features if index else 3, features, generator)
        state[f"body.{2 * index + 1}.weight"] = torch.full((features,), 0.25)
    convolution(state, f"body.{2 * convolutions + 2}", features, 3 * scale * scale, generator, gain)
    return state


def rrdb_state(scale, blocks, seed=0):
    """As RealESRGAN_x4plus.pth and RealESRGAN_x2plus.pth (x2 begins with a pixel unshuffle: 12 channels in)."""
    generator, state = torch.Generator().manual_seed(seed), {}
    convolution(state, "conv_first", 3 if scale == 4 else 12, FILTERS, generator)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for index in range(1, 6):
                name = f"body.{block}.rdb{dense}.conv{index}"
                inputs = FILTERS + GROWTH * (index - 1)
                convolution(state, name, inputs, GROWTH if index < 5 else FILTERS, generator, 0.3)
    for name in ("conv_body", "conv_up1", "conv_up2", "conv_hr"):
        convolution(state, name, FILTERS, FILTERS, generator)
    convolution(state, "conv_last", FILTERS, 3, generator, 0.3)
    state["conv_last.bias"] += 0.5
    return state


def write(path: Path, state) -> Path:
    if path.suffix == ".safetensors":
        save_file(state, path)
    else:
        torch.save({"params_ema": state}, path)
    return path


@pytest.fixture
def compact(tmp_path):
    """Compact checkpoints of both scales: {4: path, 2: path}."""
    return {scale: write(tmp_path / f"x{scale}.safetensors", compact_state(scale)) for scale in (4, 2)}


def picture(count=1, height=24, width=32, seed=0):
    """Random frames with coarse and fine structure: uint8 [count, height, width, 3]."""
    rng = np.random.default_rng(seed)
    coarse = np.kron(rng.random((count, -(-height // 8), -(-width // 8), 3)), np.ones((1, 8, 8, 1)))
    fine = rng.random((count, height, width, 3))
    return (255 * (0.7 * coarse[:, :height, :width] + 0.3 * fine)).astype(np.uint8)


def largest_difference(first, second):
    assert first.shape == second.shape
    return int(np.abs(first.astype(int) - second.astype(int)).max())


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


def test_slopes_go_on_beyond_the_edges():
    ramp = torch.linspace(0.4, 0.6, 11).expand(2, 3, 7, 11)
    wider = continue_edges(ramp, 4)
    assert wider.shape == (2, 3, 15, 19)
    torch.testing.assert_close(wider[0, 0, 0], torch.linspace(0.32, 0.68, 19))
    assert continue_edges(torch.rand(1, 3, 9, 9), 8).max() <= 1


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
def test_a_factor_is_reached_by_the_fewest_pixels_and_passes(factor, scales, expected):
    assert plan_passes(factor, scales) == expected


@pytest.mark.parametrize("factor", [1, 0, -2])
def test_a_factor_that_does_not_enlarge_is_refused(factor):
    with pytest.raises(ValueError, match="factor"):
        plan_passes(factor, [2, 4])


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


# Tiles ---------------------------------------------------------------------------------------------------------------


def enlarge(path, scale, frames, tile, precision="float32"):
    return Network(path, scale, "cpu", precision).enlarge(frames, tile)


@pytest.mark.parametrize("tile", [32, 64])
@pytest.mark.parametrize("size", [(96, 128), (70, 101), (33, 200)])
def test_tiles_of_a_compact_network_leave_no_trace(tmp_path, tile, size):
    path = write(tmp_path / "x4.pth", compact_state(4, convolutions=16, gain=1.0))
    frames = picture(1, *size)
    whole = enlarge(path, 4, frames, None)
    assert whole.std() > 30
    assert largest_difference(enlarge(path, 4, frames, tile), whole) <= 1


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_of_an_rrdb_network_leave_no_trace(tmp_path, scale):
    path = write(tmp_path / "rrdb.pth", rrdb_state(scale, blocks=1))
    frames = picture(1, 40, 72)
    assert largest_difference(enlarge(path, scale, frames, 32), enlarge(path, scale, frames, None)) <= 1


def test_tiles_are_chosen_when_memory_is_known_to_be_short(compact, monkeypatch):
    frames = picture(2, 64, 64)
    expected = RealEsrganEngine(compact).upscale(frames, 4)
    network = Network(compact[4], 4, "cpu", "float32")
    assert network.first_mode(64, 64).tile is None
    monkeypatch.setattr(upscale_network, "free_bytes", lambda device: 4_000 * network._pixel_bytes)
    assert network.first_mode(64, 64) == Mode(1, 32)
    assert largest_difference(RealEsrganEngine(compact).upscale(frames, 4), expected) <= 1


# Memory runs out -----------------------------------------------------------------------------------------------------


@pytest.fixture
def limited_memory(monkeypatch):
    """Make memory run out for inputs of more than `limit` pixels; lists what was tried, counts the freeing."""

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


def test_out_of_memory_with_one_frame_goes_on_in_ever_smaller_tiles(compact, limited_memory):
    frames = picture(2, 160, 96)
    engine = RealEsrganEngine(compact)
    expected = engine.upscale(frames, 2)
    limited_memory.limit = 60 * 60
    limited_memory.tried.clear()
    steps = []
    assert largest_difference(engine.upscale(frames, 2, lambda *call: steps.append(call[0])), expected) <= 1
    # The batch of two, one frame, tiles of 128 and of 64 (with what surrounds them) do not fit; tiles of 32 do.
    assert [side for _, side in limited_memory.tried[:4]] == [176, 176, 144, 80]
    assert max(side for _, side in limited_memory.tried[4:]) == 48
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


# Precision -----------------------------------------------------------------------------------------------------------


def test_half_precision_differs_by_a_grey_level_at_most(compact):
    frames = picture(2)
    half = RealEsrganEngine(compact, precision="float16").upscale(frames, 4)
    assert largest_difference(half, RealEsrganEngine(compact, precision="float32").upscale(frames, 4)) <= 1


def test_half_precision_that_overflows_is_given_up_for_good(tmp_path, caplog):
    state = compact_state(4)
    state["body.0.weight"] *= 60_000
    state["body.2.weight"] /= 60_000
    path, frames = write(tmp_path / "x4.safetensors", state), picture(2)
    engine = RealEsrganEngine({4: path}, precision="float16")
    large = engine.upscale(frames, 4)
    assert "going on in float32" in caplog.text
    assert largest_difference(large, RealEsrganEngine({4: path}, precision="float32").upscale(frames, 4)) <= 1
    caplog.clear()
    engine.upscale(frames, 4)
    assert "float32" not in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
@pytest.mark.parametrize("factor", [2, 4, 8])
def test_the_graphics_card_agrees_with_the_processor(compact, factor):
    frames = picture(5, 48, 64)
    card = RealEsrganEngine(compact, device="cuda").upscale(frames, factor)
    assert largest_difference(card, RealEsrganEngine(compact, device="cpu").upscale(frames, factor)) <= 2


# Checkpoints ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("scale", [2, 4])
def test_rrdb_checkpoints_load_and_run(tmp_path, scale, suffix):
    path = write(tmp_path / f"x{scale}{suffix}", rrdb_state(scale, blocks=2))
    large = RealEsrganEngine({scale: path}).upscale(picture(2, 15, 18), scale)
    assert large.shape == (2, 15 * scale, 18 * scale, 3)
    assert 1 < large.std() < 100


def test_a_full_size_rrdb_network_loads_and_runs(tmp_path):
    path = write(tmp_path / "x4plus.pth", rrdb_state(4, blocks=23))
    engine = RealEsrganEngine({4: path})
    assert engine.upscale(picture(1, 8, 8), 4).shape == (1, 32, 32, 3)
    assert 60e6 < engine.memory_bytes < 70e6  # 16.7 million weights


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 4])
def test_full_size_rrdb_networks_enlarge_a_batch(tmp_path, scale):
    path = write(tmp_path / "plus.pth", rrdb_state(scale, blocks=23))
    large = RealEsrganEngine({scale: path}).upscale(picture(2, 64, 64), scale)
    assert large.shape == (2, 64 * scale, 64 * scale, 3)


def test_a_compact_checkpoint_of_the_published_size_loads_and_runs(tmp_path):
    path = write(tmp_path / "animevideov3.pth", compact_state(4, features=64, convolutions=16))
    assert RealEsrganEngine({4: path}).upscale(picture(1, 16, 16), 4).shape == (1, 64, 64, 3)


def test_no_checkpoint_at_all_is_a_missing_model_with_the_command_to_run(tmp_path):
    engine = RealEsrganEngine({4: tmp_path / "x4.pth"}, label="Real-ESRGAN video", command="manage.py fetch_models it")
    for call in (engine.load, lambda: engine.load(4), lambda: engine.upscale(picture(), 4)):
        with pytest.raises(RenderError) as caught:
            call()
        assert caught.value.id == "model-missing"
        assert "Real-ESRGAN video" in caught.value.text
        assert "manage.py fetch_models it" in caught.value.text


def test_a_factor_out_of_reach_is_a_missing_model(tmp_path):
    engine = RealEsrganEngine({3: write(tmp_path / "x3.safetensors", compact_state(3))})
    with pytest.raises(RenderError) as caught:
        engine.upscale(picture(), 4)
    assert caught.value.id == "model-missing"


def damage(kind, path):
    state = compact_state(4)
    if kind == "cut short":
        write(path, state)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "garbage":
        path.write_bytes(os.urandom(5000))
    elif kind == "another scale":
        write(path, compact_state(2))
    elif kind == "no known network":
        write(path, {"weight": torch.zeros(3, 3)})
    elif kind == "a layer lost":
        del state["body.2.weight"]
        write(path, state)
    elif kind == "not a number":
        state["body.2.weight"][0, 0, 0, 0] = float("nan")
        write(path, state)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "kind",
    ["cut short", "empty", "garbage", "another scale", "no known network", "a layer lost", "not a number"],
)
def test_a_damaged_checkpoint_is_a_corrupt_model_that_names_the_file(tmp_path, kind, suffix):
    path = tmp_path / f"RealESRGAN_x4{suffix}"
    damage(kind, path)
    with pytest.raises(RenderError) as caught:
        RealEsrganEngine({4: path}).upscale(picture(), 4)
    assert caught.value.id == "model-corrupt"
    assert path.name in caught.value.text


def test_a_checkpoint_of_another_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "x4.pt"
    torch.jit.script(torch.nn.PReLU()).save(str(path))
    with pytest.raises(RenderError) as caught:
        RealEsrganEngine({4: path}).load()
    assert caught.value.id == "model-corrupt"


class Intruder:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("through_torch", [True, False])
def test_a_checkpoint_cannot_run_code(tmp_path, through_torch):
    path, trace = tmp_path / "x4.pth", tmp_path / "trace"
    content = {"params": compact_state(4), "extra": Intruder(trace)}
    if through_torch:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content))
    with pytest.raises(RenderError) as caught:
        RealEsrganEngine({4: path}).load()
    assert caught.value.id == "model-corrupt"
    assert not trace.exists()


def test_out_of_memory_while_loading_says_so(compact, monkeypatch):
    def fail(self, dtype):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Network, "_to", fail)
    with pytest.raises(RenderError) as caught:
        RealEsrganEngine(compact).load(4)
    assert caught.value.id == "out-of-memory"


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

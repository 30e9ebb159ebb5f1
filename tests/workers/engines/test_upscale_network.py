import os
import pickle

import pytest
import torch

from generation.catalogue.entries import BUILTIN_MODELS
from generation.domain.errors import RenderError
from tests.upscaling import compact_state, largest_difference, picture, rrdb_state, write
from workers.engines import devices
from workers.engines.precision import Precisions
from workers.engines.realesrgan import RealEsrganEngine
from workers.engines.upscale_network import MOST_CONTEXT, Mode, Network, continue_edges

pytestmark = pytest.mark.thorough


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


def test_slopes_go_on_beyond_the_edges():
    ramp = torch.linspace(0.4, 0.6, 11).expand(2, 3, 7, 11)
    wider = continue_edges(ramp, 4)
    assert wider.shape == (2, 3, 15, 19)
    torch.testing.assert_close(wider[0, 0, 0], torch.linspace(0.32, 0.68, 19))
    assert continue_edges(torch.rand(1, 3, 9, 9), 8).max() <= 1


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


@pytest.mark.parametrize("scale", [2, 4])
def test_tiles_of_the_bundled_networks_leave_no_trace(scale):
    path = BUILTIN_MODELS / "real-esrgan" / f"RealESRGAN_tiny_x{scale}.safetensors"
    frames = picture(1, 48, 80)
    assert largest_difference(enlarge(path, scale, frames, 32), enlarge(path, scale, frames, None)) <= 1


@pytest.mark.parametrize(
    "state, scale, context",
    [
        (compact_state(4, convolutions=16), 4, 20),  # 18 layers
        (rrdb_state(4, blocks=1), 4, 20),  # 19 pixels and a quarter
        (rrdb_state(4, blocks=4), 4, MOST_CONTEXT),
        (rrdb_state(2, blocks=1), 2, 40),  # of the pixels outside, two are one inside
        (rrdb_state(2, blocks=4), 2, 2 * MOST_CONTEXT),
    ],
)
def test_a_tile_gets_as_much_context_as_its_network_sees_within_reason(tmp_path, state, scale, context):
    assert Network(write(tmp_path / "network.pth", state), scale, "cpu", "float32").context == context


def test_tiles_are_chosen_when_memory_is_known_to_be_short(compact, monkeypatch):
    frames = picture(2, 64, 64)
    expected = RealEsrganEngine(compact).upscale(frames, 4)
    network = Network(compact[4], 4, "cpu", "float32")
    assert network.first_mode(64, 64).tile is None
    monkeypatch.setattr(devices, "free", lambda device: 4_000 * network._pixel_bytes)
    assert network.first_mode(64, 64) == Mode(1, 32)
    assert largest_difference(RealEsrganEngine(compact).upscale(frames, 4), expected) <= 1


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


def blacken_half(monkeypatch):
    """Let float16 give black pictures, as a GTX 1660 does; every other precision computes as ever."""
    from spandrel import ImageModelDescriptor

    compute = ImageModelDescriptor.__call__

    def call(self, image):
        large = compute(self, image)
        return torch.zeros_like(large) if image.dtype == torch.float16 else large

    monkeypatch.setattr(ImageModelDescriptor, "__call__", call)


def test_black_frames_from_frames_that_are_not_are_computed_again_and_remembered(compact, monkeypatch, caplog):
    blacken_half(monkeypatch)
    found, frames = Precisions(), picture(2)
    engine = RealEsrganEngine(compact, precision="float16", found=found)
    expected = RealEsrganEngine(compact, precision="float32").upscale(frames, 4)
    assert largest_difference(engine.upscale(frames, 4), expected) <= 1
    assert "float16 is black on cpu" in caplog.text
    assert found.get("cpu", compact[4].name, "upscaling", "float16") == "float32"


def test_frames_that_are_black_stay_black_and_in_half_precision(compact, monkeypatch, caplog):
    blacken_half(monkeypatch)
    engine = RealEsrganEngine(compact, precision="float16", found=(found := Precisions()))
    engine.upscale(picture(2) * 0, 4)
    assert "going on" not in caplog.text
    assert found.get("cpu", compact[4].name, "upscaling", "float16") == "float16"


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


def test_a_card_that_fails_while_loading_is_not_taken_for_a_damaged_file(compact, monkeypatch):
    def fail(self):
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    monkeypatch.setattr(Network, "_measure_pixel", fail)
    with pytest.raises(torch.AcceleratorError):
        RealEsrganEngine(compact).load()


def test_out_of_memory_while_loading_says_so(compact, monkeypatch):
    def fail(self, dtype):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Network, "_to", fail)
    with pytest.raises(RenderError) as caught:
        RealEsrganEngine(compact).load(4)
    assert caught.value.id == "out-of-memory"

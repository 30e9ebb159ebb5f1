"""The FILM engine in torch. tests/workers/engines/film/test_agreement.py compares its frames with TensorFlow's."""

import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from auravideo.core.computing.libraries import Library
from generation.domain.errors import Cancelled, RenderError
from workers.engines import film
from workers.engines.base import Engine
from workers.engines.film_torch import choice
from workers.engines.film_torch.choice import open_film
from workers.engines.film_torch.engine import TorchFilmEngine
from workers.engines.film_torch.layouts import layout_of
from workers.engines.film_torch.operations import doubled, warped
from workers.tiny.world import scenes as world

SHIPPED = Path(film.__file__).resolve().parents[1] / "tiny" / "models" / "film"
INDEX, DATA = "variables/variables.index", "variables/variables.data-00000-of-00001"


def nothing(done, total, preview):
    pass


@pytest.fixture
def engine():
    return TorchFilmEngine(SHIPPED, "cpu", label="FILM")


@pytest.fixture
def frames():
    """Return a star that flies across a sky: uint8 [4, 64, 64, 3]."""
    scene = world.Scene("star", "yellow", "large", "bouncing", "black", seed=4)
    return world.draw(scene, np.array([0.3, 0.36, 0.42, 0.48]), 64, 64)


@pytest.fixture
def copied(tmp_path):
    return shutil.copytree(SHIPPED, tmp_path / "film")


# Loading --------------------------------------------------------------------------------------------------------------


def test_it_is_an_engine_that_can_be_released_and_used_again(engine, frames):
    assert isinstance(engine, Engine)
    assert engine.memory_bytes == 0
    clip = engine.interpolate(frames, 3, nothing)
    assert engine.honours_time
    assert engine.memory_bytes == sum(variable.nbytes for variable in values())
    for give_back in (engine.release, engine.park):
        give_back()
        assert engine.memory_bytes == 0
        assert np.array_equal(engine.interpolate(frames, 3, nothing), clip)


def values() -> list[np.ndarray]:
    layers = layout_of(SHIPPED).layers.values()
    return [variable.read() for layer in layers for variable in (layer.kernel, layer.bias)]


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(RenderError) as caught:
        open_film(tmp_path / "none", Library.TORCH, "FILM").load()
    assert (caught.value.id, caught.value.context["model"]) == ("model-missing", "FILM")


@pytest.mark.parametrize("file", [INDEX, DATA])
@pytest.mark.parametrize("left", [0, 40, -40])
def test_a_file_that_is_cut_off_is_reported_as_corrupt(copied, file, left):
    path = copied / file
    path.write_bytes(path.read_bytes()[:left])
    for _ in range(2):
        with pytest.raises(RenderError) as caught:
            open_film(copied, Library.TORCH, "FILM").load()
        assert caught.value.id == "model-corrupt"


def test_no_byte_of_the_index_can_do_worse_than_make_the_model_corrupt(copied):
    """Whatever is flipped: it is noticed, or the rest still describes the same network."""
    path = copied / INDEX
    good = path.read_bytes()
    for position in range(0, len(good), 7):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x5A]) + good[position + 1 :])
        with suppress(OSError, ValueError):
            layout_of(copied)


def test_weights_that_are_not_numbers_are_reported_as_corrupt(copied):
    path = copied / DATA
    path.write_bytes(b"\xff" * path.stat().st_size)
    with pytest.raises(RenderError) as caught:
        TorchFilmEngine(copied, "cpu").load()
    assert caught.value.id == "model-corrupt"


def test_a_network_that_torch_does_not_know_needs_tensorflow(copied, monkeypatch):
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    path = copied / INDEX
    path.write_bytes(path.read_bytes().replace(b"choose", b"choosy"))
    assert layout_of(copied) is None
    with pytest.raises(RenderError) as caught:
        open_film(copied, Library.TORCH, "Somebody's")
    assert caught.value.id == "model-needs-tensorflow"
    assert "Somebody's" in caught.value.text


# Frames ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_counts_and_given_frames_are_exact(engine, frames, factor):
    clip = engine.interpolate(frames, factor, nothing)
    assert (clip.dtype, clip.shape) == (np.uint8, (3 * factor, 64, 64, 3))
    assert np.array_equal(clip[::factor], frames[:-1])


def test_frames_in_between_are_nearer_to_the_truth_than_a_blend(engine, frames):
    middle = engine.interpolate(frames[::2], 2, nothing)[1].astype(float)
    blend = frames[::2].astype(float).mean(axis=0)
    assert np.square(middle - frames[1]).mean() < 0.5 * np.square(blend - frames[1]).mean()


@pytest.mark.parametrize(("height", "width"), [(40, 24), (64, 112), (130, 72), (1, 3)])
def test_any_size_is_padded_for_the_network_and_cropped_back(engine, height, width):
    frames = np.random.default_rng(1).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    assert engine.interpolate(frames, 2, nothing).shape == (2, height, width, 3)


def test_batches_change_nothing(engine, frames):
    whole = engine.interpolate(frames, 3, nothing)
    engine._pixels = 64 * 64
    steps = []
    alone = engine.interpolate(frames, 3, lambda *step: steps.append(step))
    assert np.abs(alone.astype(int) - whole).max() <= 1
    assert steps == [(done, 6, None) for done in range(7)]


def test_the_same_frames_come_out_again(engine, frames):
    assert np.array_equal(
        engine.interpolate(frames, 3, nothing), TorchFilmEngine(SHIPPED, "cpu").interpolate(frames, 3, nothing)
    )


def test_cancelling_stops_before_the_next_batch(engine, frames):
    def cancel(done, total, preview):
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        engine.interpolate(frames, 4, cancel)


# Devices --------------------------------------------------------------------------------------------------------------


def failing(engine, monkeypatch, *errors: Exception) -> list[str]:
    """Let the first calls on what stands for a card fail; the CPU does the work. Return where each call was made."""
    left, where, call = list(errors), [], engine._call

    def on_a_card(torch, *arguments):
        where.append(engine.device)
        if engine.device == "cpu":
            return call(torch, *arguments)
        if left:
            raise left.pop(0)
        device, engine.device = engine.device, "cpu"
        try:
            return call(torch, *arguments)
        finally:
            engine.device = device

    engine.device = "meta"
    read = engine._read
    monkeypatch.setattr(engine, "_read", lambda torch: read_on_the_cpu(engine, read, torch))
    monkeypatch.setattr(engine, "_call", on_a_card)
    return where


def read_on_the_cpu(engine, read, torch):
    device, engine.device = engine.device, "cpu"
    try:
        return read(torch)
    finally:
        engine.device = device


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: no kernel image is available for execution on the device"),
        NotImplementedError("The operator 'aten::grid_sampler_2d' is not currently implemented for the MPS device."),
    ],
)
def test_a_device_that_cannot_is_left_for_the_cpu_which_is_said(engine, frames, monkeypatch, caplog, error):
    where = failing(engine, monkeypatch, error)
    clip = engine.interpolate(frames, 2, nothing)
    assert where == ["meta", *["cpu"] * (len(where) - 1)]
    assert np.array_equal(clip, TorchFilmEngine(SHIPPED, "cpu").interpolate(frames, 2, nothing))
    assert "torch cannot use the card" in caplog.text
    (note,) = engine.notes
    assert (note["id"], note["model"], note["why"]) == ("on-cpu", "FILM", str(error))


def test_memory_that_runs_out_halves_the_batch(engine, frames, monkeypatch):
    import torch

    engine.load()
    where = failing(engine, monkeypatch, torch.OutOfMemoryError("CUDA out of memory."))
    whole = TorchFilmEngine(SHIPPED, "cpu").interpolate(frames, 2, nothing)
    assert np.abs(engine.interpolate(frames, 2, nothing).astype(int) - whole).max() <= 1
    assert where == ["meta"] * 4  # three pairs at once, then one by one
    assert not engine.notes


# Operations -----------------------------------------------------------------------------------------------------------


def test_a_warp_follows_the_flow_and_stops_at_the_edge():
    import torch

    image = torch.rand((1, 2, 8, 10), generator=torch.Generator().manual_seed(1))
    flow = torch.tensor([-1.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 8, 10)
    rows, columns = np.clip(np.arange(8) + 2, 0, 7), np.clip(np.arange(10) - 1, 0, 9)
    torch.testing.assert_close(warped(image, flow), image[:, :, rows][:, :, :, columns], atol=1e-5, rtol=0)


def test_doubling_is_that_of_tensorflow():
    """Half-pixel centres, as `tf.image.resize` has them: 0, 1 become 0, 0.25, 0.75, 1."""
    import torch

    row = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    assert doubled(row)[0, 0, 0].tolist() == [0, 0.25, 0.75, 1]
    assert doubled(row, "nearest")[0, 0, 0].tolist() == [0, 0, 1, 1]

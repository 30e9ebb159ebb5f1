"""The FILM engine: counts, times, sizes, batches, errors. The models here are real SavedModels that blend."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest

from generation.domain.errors import Cancelled, RenderError
from tests.workers.engines.film.blenders import batch_sizes, blended, nothing, save_blender
from workers.engines.base import Engine
from workers.engines.film import (
    TOLERANCE,
    FilmEngine,
    crop,
    direct_nodes,
    halving_nodes,
    nearest_dyadic,
    pad,
)
from workers.tiny.training.evaluate_film import SHIPPED

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("factor", range(2, 17))
def test_halving_reaches_every_time_within_the_tolerance(factor):
    known = {Fraction(0), Fraction(1)}
    for node in halving_nodes(factor):
        assert {node.left, node.right} <= known, "a midpoint is asked for before its neighbours are there"
        assert node.time == (node.left + node.right) / 2
        assert node.model_time == Fraction(1, 2)
        known.add(node.time)
    for step in range(1, factor):
        nearest = nearest_dyadic(Fraction(step, factor))
        assert nearest in known
        assert abs(nearest - Fraction(step, factor)) <= TOLERANCE


def test_halving_shares_what_two_times_have_in_common():
    assert [node.time for node in halving_nodes(2)] == [Fraction(1, 2)]
    assert [node.time for node in halving_nodes(4)] == [Fraction(1, 2), Fraction(1, 4), Fraction(3, 4)]
    # 1/3 is 5/16 by way of 1/2, 1/4, 3/8; 2/3 is 11/16 by way of 1/2, 3/4, 5/8.
    assert len(halving_nodes(3)) == 7


def test_a_model_that_honours_time_is_asked_for_exactly_the_times_wanted():
    assert [node.model_time for node in direct_nodes(3)] == [Fraction(1, 3), Fraction(2, 3)]


def test_loading_finds_out_whether_time_is_honoured(timed, midpoint):
    assert timed.honours_time
    assert not midpoint.honours_time


def test_it_is_an_engine_that_can_be_released_and_used_again(timed_model, frames):
    engine = FilmEngine(timed_model, device="cpu")
    assert isinstance(engine, Engine)
    assert engine.memory_bytes == 0
    engine.load()
    assert engine.memory_bytes > 0
    engine.release()
    assert engine.memory_bytes == 0
    assert len(engine.interpolate(frames, 2, nothing)) == 6


def test_importing_the_engine_does_not_import_tensorflow():
    program = "import sys, workers.engines.film; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(RenderError) as caught:
        FilmEngine(tmp_path / "none", label="FILM").load()
    assert caught.value.id == "model-missing"
    assert "FILM" in caught.value.text


@pytest.mark.parametrize("victim", ["saved_model.pb", "variables/variables.data-00000-of-00001"])
def test_a_damaged_file_is_reported_as_corrupt(tmp_path, victim):
    folder = save_blender(tmp_path / "model", honours_time=True)
    file = folder / victim
    file.write_bytes(file.read_bytes()[:-40] if victim.startswith("saved") else b"")
    with pytest.raises(RenderError) as caught:
        FilmEngine(folder, device="cpu").load()
    assert caught.value.id == "model-corrupt"


def test_a_model_that_answers_something_else_is_reported_as_corrupt(tmp_path):
    engine = FilmEngine(save_blender(tmp_path / "model", honours_time=True, answer="picture"), device="cpu")
    for _ in range(2):  # a failed load must not leave a model behind
        with pytest.raises(RenderError) as caught:
            engine.load()
        assert caught.value.id == "model-corrupt"


@pytest.mark.parametrize("factor", [1, 2, 3, 4])
def test_counts_and_given_frames_are_exact(timed, midpoint, frames, factor):
    for engine in (timed, midpoint):
        clip = engine.interpolate(frames, factor, nothing)
        assert clip.dtype == np.uint8
        assert clip.shape == (3 * factor, 64, 64, 3)
        assert np.array_equal(clip[::factor], frames[:-1])


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_frames_in_between_are_at_their_time_and_rounded_to_the_nearest(timed, frames, factor):
    assert np.abs(timed.interpolate(frames, factor, nothing) - blended(frames, factor)).max() < 0.501


@pytest.mark.parametrize("factor", [2, 3, 4, 5, 8])
def test_halving_puts_every_frame_within_a_32nd_of_its_time(midpoint, factor):
    """Brightness runs from 0 to 240, so a frame's value is its time; 7.5 is a 32nd of the interval."""
    ramp = np.stack([np.full((64, 64, 3), value, np.uint8) for value in (0, 240)])
    clip = midpoint.interpolate(ramp, factor, nothing)
    for step in range(1, factor):
        assert np.ptp(clip[step]) == 0
        assert abs(int(clip[step, 0, 0, 0]) - 240 * step / factor) <= 7.5
    if factor == 3:
        assert clip[:, 0, 0, 0].tolist() == [0, 75, 165]


def test_a_model_that_honours_time_is_called_once_a_frame(timed, midpoint, frames, monkeypatch):
    for engine, calls in ((timed, 2), (midpoint, 7)):
        sizes = batch_sizes(engine, monkeypatch)
        engine.interpolate(frames, 3, nothing)
        assert sum(sizes) == 3 * calls


@pytest.mark.parametrize(("height", "width"), [(64, 64), (40, 24), (64, 112), (130, 72), (1, 3)])
def test_any_size_is_padded_for_the_model_and_cropped_back(timed, height, width):
    frames = np.random.default_rng(1).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    clip = timed.interpolate(frames, 4, nothing)
    assert clip.shape == (8, height, width, 3)
    assert np.abs(clip - blended(frames, 4)).max() < 0.501


@pytest.mark.parametrize(("side", "padded"), [(1, 64), (63, 64), (64, 64), (65, 128), (512, 512)])
def test_padding_repeats_the_edge_up_to_the_next_multiple(side, padded):
    frames = np.random.default_rng(1).integers(0, 256, (2, side, 64, 3), dtype=np.uint8)
    wide = pad(frames, 64)
    assert wide.shape == (2, padded, 64, 3)
    assert np.array_equal(wide[:, 0], frames[:, 0])
    assert np.array_equal(wide[:, -1], frames[:, -1])
    assert np.array_equal(crop(wide, side, 64), frames)


@pytest.mark.parametrize(
    ("shape", "dtype", "factor"),
    [
        ((1, 64, 64, 3), np.uint8, 2),
        ((0, 64, 64, 3), np.uint8, 2),
        ((3, 64, 64, 3), np.float32, 2),
        ((3, 64, 64, 1), np.uint8, 2),
        ((3, 64, 64, 3), np.uint8, 0),
    ],
)
def test_what_cannot_be_interpolated_is_refused(timed, shape, dtype, factor):
    with pytest.raises(ValueError, match=r"frame|factor"):
        timed.interpolate(np.zeros(shape, dtype), factor, nothing)


def test_batches_are_bounded_and_change_nothing(timed, midpoint, monkeypatch):
    frames = np.random.default_rng(3).integers(0, 256, (6, 64, 64, 3), dtype=np.uint8)
    for engine in (timed, midpoint):
        whole = engine.interpolate(frames, 3, nothing)
        engine._pixels = 2 * 64 * 64
        sizes = batch_sizes(engine, monkeypatch)
        assert np.array_equal(engine.interpolate(frames, 3, nothing), whole)
        assert max(sizes) == 2


@pytest.mark.parametrize(("side", "pairs"), [(64, 64), (100, 16), (256, 4), (512, 1)])
def test_on_the_cpu_a_batch_depends_on_the_size_of_a_frame_alone(timed, monkeypatch, side, pairs):
    monkeypatch.setattr(timed, "_call", lambda tf, x0, x1, times: sizes.append(len(x0)) or x0)
    sizes: list[int] = []
    timed.interpolate(np.zeros((pairs + 2, side, side, 3), np.uint8), 2, nothing)
    assert sizes == [pairs, 1]


def test_progress_starts_at_nothing_and_ends_at_everything(midpoint, frames):
    midpoint._pixels = 64 * 64
    steps = []
    midpoint.interpolate(frames, 4, lambda *step: steps.append(step))
    assert steps == [(done, 9, None) for done in range(10)]


def test_cancelling_stops_before_the_next_batch(timed, frames, monkeypatch):
    timed._pixels = 64 * 64
    sizes = batch_sizes(timed, monkeypatch)

    def cancel(done, total, preview):
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        timed.interpolate(frames, 4, cancel)
    assert sizes == [1, 1]


def test_the_shipped_model_honours_time_and_gives_the_same_bits_again(frames):
    first, second = FilmEngine(SHIPPED), FilmEngine(SHIPPED)
    clip = first.interpolate(frames[:, :, :56], 3, nothing)
    assert first.honours_time
    assert clip.shape == (9, 64, 56, 3)
    assert np.array_equal(clip, second.interpolate(frames[:, :, :56], 3, nothing))

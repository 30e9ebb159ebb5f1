"""What the FILM engine does when memory runs out, and with a card that TensorFlow cannot use."""

import subprocess
import sys

import numpy as np
import pytest

from generation.domain.errors import RenderError
from tests.workers.engines.film.blenders import nothing
from workers.engines import film
from workers.engines.device_errors import Fault, fault_of
from workers.engines.film import FilmEngine

pytestmark = pytest.mark.tensorflow


def run_out_of_memory_above(engine: FilmEngine, limit: int, monkeypatch) -> list[int]:
    """Let calls with more than `limit` pairs fail as TensorFlow does; return the sizes tried."""
    import tensorflow as tf

    tried, call = [], engine._call

    def starved(module, x0, x1, times):
        tried.append(len(x0))
        if len(x0) > limit:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return call(module, x0, x1, times)

    monkeypatch.setattr(engine, "_call", starved)
    return tried


def test_out_of_memory_halves_the_batch_and_remembers(timed, monkeypatch):
    frames = np.random.default_rng(3).integers(0, 256, (10, 64, 64, 3), dtype=np.uint8)
    whole = timed.interpolate(frames, 2, nothing)
    tried = run_out_of_memory_above(timed, 2, monkeypatch)
    steps = []
    assert np.array_equal(timed.interpolate(frames, 2, lambda done, *_: steps.append(done)), whole)
    assert tried == [9, 4, 2, 2, 2, 2, 1]
    assert steps == [0, 2, 4, 6, 8, 9]
    tried.clear()
    timed.interpolate(frames, 2, nothing)
    assert tried == [2, 2, 2, 2, 1]


def test_out_of_memory_with_a_single_pair_is_told_to_the_person(timed, frames, monkeypatch):
    tried = run_out_of_memory_above(timed, 0, monkeypatch)
    with pytest.raises(RenderError) as caught:
        timed.interpolate(frames, 2, nothing)
    assert caught.value.id == "out-of-memory"
    assert tried == [3, 1]


def pretend_card(engine: FilmEngine, monkeypatch, *texts: str) -> list[str]:
    """Let TensorFlow see a card on which the first calls fail as it words it; the CPU does the work. Return where."""
    import tensorflow as tf

    left, where, call, placed = list(texts), [], engine._call, engine._placed
    monkeypatch.setattr(film, "cards", lambda _tf: ["GPU:0"])
    monkeypatch.setattr(
        engine, "_placed", lambda module: module.device("/CPU:0") if engine.device == "gpu" else placed(module)
    )

    def failing(*arguments):
        where.append(engine.device)
        if engine.device == "gpu" and left:
            raise tf.errors.InternalError(None, None, left.pop(0))
        return call(*arguments)

    monkeypatch.setattr(engine, "_call", failing)
    return where


BLACKWELL = (
    "{{function_node __wrapped__Mul_device_/job:localhost/replica:0/task:0/device:GPU:0}} 'cuLaunchKernel(function, "
    "gridX, gridY, gridZ, 0, 0, reinterpret_cast<CUstream>(stream), params, nullptr)' failed with "
    "'CUDA_ERROR_INVALID_HANDLE' [Op:Mul]"
)


@pytest.mark.parametrize(
    "text",
    [BLACKWELL, "CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image is available for execution on the device",
     "DNN library initialization failed. Look at the errors above for more details."],
)  # fmt: skip
def test_a_card_that_tensorflow_cannot_use_is_no_damaged_model_and_the_cpu_does_the_work(
    timed_model, frames, monkeypatch, caplog, text
):
    engine = FilmEngine(timed_model, label="FILM")
    where = pretend_card(engine, monkeypatch, text)
    clip = engine.interpolate(frames, 2, nothing)
    assert where == ["gpu", *["cpu"] * (len(where) - 1)]
    assert np.array_equal(clip, FilmEngine(timed_model, device="cpu").interpolate(frames, 2, nothing))
    assert "going on with the CPU" in caplog.text
    (note,) = engine.notes
    assert (note["id"], note["model"]) == ("on-cpu", "FILM")
    assert note["why"] in text


def test_a_card_that_fails_in_the_middle_is_given_up_there(timed_model, frames, monkeypatch):
    engine = FilmEngine(timed_model)
    left = []
    where = pretend_card(engine, monkeypatch)
    engine.load()
    assert (engine.device, engine.notes, where) == ("gpu", [], ["gpu"])
    call = engine._call

    def failing(*arguments):
        import tensorflow as tf

        if engine.device == "gpu" and not left:
            left.append(1)
            raise tf.errors.NotFoundError(None, None, "No algorithm worked!  Error messages: ...")
        return call(*arguments)

    monkeypatch.setattr(engine, "_call", failing)
    assert np.array_equal(
        engine.interpolate(frames, 2, nothing), FilmEngine(timed_model, device="cpu").interpolate(frames, 2, nothing)
    )
    assert engine.device == "cpu"


def test_a_card_that_is_lost_is_for_another_process_to_try(timed_model, frames, monkeypatch):
    import tensorflow as tf

    engine = FilmEngine(timed_model)
    pretend_card(engine, monkeypatch, *["CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered"] * 9)
    with pytest.raises(tf.errors.InternalError):
        engine.interpolate(frames, 2, nothing)
    assert engine.device == "gpu"


def test_memory_that_runs_out_on_a_card_is_no_reason_to_give_it_up(timed_model, frames, monkeypatch):
    engine = FilmEngine(timed_model)
    pretend_card(engine, monkeypatch, *["Failed copying input tensor: Dst tensor is not initialized."] * 9)
    with pytest.raises(RenderError) as caught:
        engine.load()
    assert (caught.value.id, engine.device) == ("out-of-memory", "gpu")


def test_after_a_while_larger_batches_are_tried_again(timed, monkeypatch):
    frames = np.random.default_rng(3).integers(0, 256, (10, 64, 64, 3), dtype=np.uint8)
    monkeypatch.setattr(film, "PATIENCE", 2)
    tried = run_out_of_memory_above(timed, 2, monkeypatch)
    for first in (9, 2, 2, 9):
        tried.clear()
        timed.interpolate(frames, 2, nothing)
        assert tried[0] == first


def test_tensorflow_takes_the_memory_it_needs_and_no_more():
    program = (
        "import os; from workers.engines.tensorflow_device import has_memory_pools, tensorflow; tensorflow(); "
        "assert os.environ['TF_FORCE_GPU_ALLOW_GROWTH'] == 'true'; "
        "assert (os.environ.get('TF_GPU_ALLOCATOR') == 'cuda_malloc_async') == has_memory_pools()"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("kind", "text", "fault"),
    [
        ("ResourceExhaustedError", "OOM when allocating tensor with shape[1,64,64,64]", Fault.OUT_OF_MEMORY),
        ("InternalError", "Failed copying input tensor: Dst tensor is not initialized.", Fault.OUT_OF_MEMORY),
        ("InternalError", BLACKWELL, Fault.UNSUPPORTED),
        ("InternalError", "CUDA runtime implicit initialization failed. Status: device kernel image is invalid",
         Fault.UNSUPPORTED),
        ("UnknownError", "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered", Fault.LOST),
        ("InternalError", "CUDA_ERROR_UNKNOWN: unknown error", Fault.LOST),
        ("FailedPreconditionError", "DNN library initialization failed. Look at the errors above.", Fault.OTHER),
        ("NotFoundError", "No algorithm worked!  Error messages: ...", Fault.OTHER),
        ("DataLossError", "Unable to open table file variables.index", None),
        ("InvalidArgumentError", "assertion failed: [1 0] [0 0]", None),
    ],
)  # fmt: skip
def test_tensorflows_messages_say_what_is_wrong_with_the_device(kind, text, fault):
    import tensorflow as tf

    assert fault_of(getattr(tf.errors, kind)(None, None, text)) is fault

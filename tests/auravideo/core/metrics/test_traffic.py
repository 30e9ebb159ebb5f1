"""Bytes to and from the storage, open sockets and out-of-memory errors are counted where they happen."""

import numpy as np
import pytest

from auravideo.core.metrics import totals, traffic, websockets
from generation.domain.errors import RenderError
from tests.rigs.metrics import samples
from workers import frame_store
from workers.engines.ladder import Ladder
from workers.engines.memory import LADDER

pytestmark = pytest.mark.usefixtures("no_totals")
JOB = "0a8d8dc1-4eb6-4d39-8f3c-1e7d2a0f6f6a"


def counted(name: str, **labels: str) -> float:
    totals.ship()
    return samples(totals.read()).get((name, *(f"{key}={value}" for key, value in sorted(labels.items()))), 0)


def moved(direction: str) -> float:
    return counted("auravideo_storage_bytes_total", storage="frames", direction=direction)


def failed(direction: str) -> float:
    return counted("auravideo_storage_errors_total", storage="frames", direction=direction)


def test_frames_are_counted_both_ways():
    frames = np.zeros((2, 8, 8, 3), np.uint8)
    key = frame_store.write_chunk(JOB, "generate", 0, frames, 8)
    written = moved("write")
    assert written >= frames.nbytes
    assert moved("read") == 0
    frame_store.read_chunk(key)
    assert moved("read") == written


def test_a_missing_file_is_no_failure():
    assert frame_store.read_preview(JOB) is None
    assert (moved("read"), failed("read")) == (0, 0)


def test_a_storage_that_fails_is_counted(settings, tmp_path):
    blocker = tmp_path / "a file"
    blocker.touch()
    settings.STORAGES["frames"]["OPTIONS"]["location"] = str(blocker)
    settings.STORAGES = dict(settings.STORAGES)
    with pytest.raises(OSError, match="directory"):
        frame_store.write_preview(JOB, b"preview")
    assert (moved("write"), failed("write")) == (0, 1)


def test_an_error_within_a_transfer_is_passed_on():
    with pytest.raises(ZeroDivisionError), traffic.counted("frames", traffic.READ, 5):
        1 / 0  # noqa: B018
    assert (moved("read"), failed("read")) == (0, 1)


def test_sockets_are_counted_while_they_are_open():
    class Consumer:
        pass

    first, second = Consumer(), Consumer()
    before = websockets.open_now()
    for consumer in (first, second):
        websockets.opened(consumer)
    assert websockets.open_now() - before == 2
    websockets.closed(first)
    websockets.closed(first)
    assert websockets.open_now() - before == 1
    del second, consumer  # a connection that ended without a goodbye
    assert websockets.open_now() - before == 0
    assert counted("auravideo_websockets_opened_total") == 2


def test_every_mode_that_runs_out_of_memory_counts():
    def attempt(_rung):
        raise MemoryError

    with pytest.raises(RenderError):
        Ladder().run(attempt, model="m", width=8, height=8, frames=1)
    assert counted("auravideo_out_of_memory_total", engine="text-to-video") == len(LADDER)

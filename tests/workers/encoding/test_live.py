"""Live previews are encoded and stored beside the stage that makes them."""

import threading
import time
from uuid import uuid4

import numpy as np
import pytest
from django.db import OperationalError

from workers import frame_store
from workers.encoding import live
from workers.encoding.live import LivePreview

WAIT_SECONDS = 30  # of a test that would fail


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(live, "PREVIEW_SECONDS", 0.0)


def frames(shade=0):
    """Return what computes a preview."""
    return lambda: np.full((4, 8, 8, 3), shade, np.uint8)


def never():
    pytest.fail("a preview that is not shown was computed")


@pytest.fixture
def slow_store(monkeypatch):
    """Let storing a preview wait. Return what was stored, and the event that lets it go on."""
    stored, go_on = [], threading.Event()

    def write(_job_id, data):
        assert go_on.wait(WAIT_SECONDS)
        stored.append(data)

    monkeypatch.setattr(frame_store, "write_preview", write)
    return stored, go_on


def test_a_stage_goes_on_while_its_preview_is_stored_and_newer_ones_are_left_out(slow_store):
    stored, go_on = slow_store
    told = []
    with LivePreview(uuid4(), lambda: told.append(len(stored))) as preview:
        assert preview.offer(frames())
        assert [preview.offer(never) for _step in range(2)] == [False, False]
        assert (stored, told) == ([], [])
        go_on.set()
    assert (len(stored), told) == (1, [1])


def test_the_next_preview_is_shown_once_the_last_one_is_stored():
    there = threading.Event()
    job_id = uuid4()
    with LivePreview(job_id, there.set) as preview:
        assert preview.offer(frames(0))
        assert there.wait(WAIT_SECONDS)
        first = frame_store.read_preview(job_id)
        while not preview.offer(frames(200)):
            time.sleep(0.01)
    assert frame_store.read_preview(job_id) != first


def test_a_stage_that_has_ended_or_failed_writes_no_more(slow_store):
    """Else, the preview of a clip that is deleted at once would stay behind."""
    stored, go_on = slow_store
    threading.Timer(0.05, go_on.set).start()
    with pytest.raises(KeyError), LivePreview(uuid4(), lambda: None) as preview:
        preview.offer(frames())
        raise KeyError
    assert len(stored) == 1
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("live-preview")]


def test_a_recent_preview_is_enough(monkeypatch):
    monkeypatch.setattr(live, "PREVIEW_SECONDS", 1000.0)
    there = threading.Event()
    with LivePreview(uuid4(), there.set) as preview:
        assert preview.offer(frames())
        assert there.wait(WAIT_SECONDS)
        assert not preview.offer(never)


def test_a_preview_is_computed_before_the_next_step_begins():
    """On the engine's thread: the next step may change what it is computed from."""
    threads = []

    def compute():
        threads.append(threading.get_ident())
        return frames()()

    with LivePreview(uuid4(), lambda: None) as preview:
        assert preview.offer(compute)
        assert threads == [threading.get_ident()]


def test_memory_that_runs_out_while_a_preview_is_computed_reaches_the_engine():
    """Which then goes on in a more economical mode."""

    def compute():
        raise MemoryError

    with LivePreview(uuid4(), lambda: None) as preview:
        with pytest.raises(MemoryError):
            preview.offer(compute)
        assert preview.offer(frames()), "and the next step shows one"


def test_after_one_that_could_not_be_stored_no_preview_is_tried_for_a_while(monkeypatch):
    def refuse(_job_id, _data):
        raise ConnectionError("storage is away")

    monkeypatch.setattr(frame_store, "write_preview", refuse)
    with LivePreview(uuid4(), lambda: pytest.fail("nothing can be seen")) as preview:
        assert preview.offer(frames())
    assert not preview.offer(never)


def test_a_database_that_is_locked_for_a_moment_is_told_again():
    tried, there = [], threading.Event()

    def told():
        tried.append(None)
        if len(tried) < 3:
            raise OperationalError("database table is locked")
        there.set()

    with LivePreview(uuid4(), told) as preview:
        assert preview.offer(frames())
        assert there.wait(WAIT_SECONDS)
    assert len(tried) == 3


def test_a_stage_without_previews_starts_no_thread():
    before = threading.active_count()
    with LivePreview(uuid4(), lambda: None):
        assert threading.active_count() == before


def test_a_process_that_may_start_no_thread_shows_no_previews_and_goes_on():
    before = threading.stack_size(2**47)  # bytes: no machine has so many
    try:
        with LivePreview(uuid4(), lambda: pytest.fail("nothing can be seen")) as preview:
            assert [preview.offer(frames()) for _step in range(2)] == [False, False]
    finally:
        threading.stack_size(before)

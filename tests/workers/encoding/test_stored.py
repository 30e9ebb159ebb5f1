"""A stored segment comes back as it was, or not at all."""

import dataclasses
import uuid

import numpy as np
import pytest

from generation.domain import storage_keys
from tests.workers.encoding.test_parts import plan_of
from tests.workers.media.clips import draw_clip
from workers import frame_store
from workers.encoding import parts, stored

JOB, RUN = uuid.UUID(int=7), 3
PLAN = plan_of(size="128x128", seconds=3, fps=8)
SPANS = parts.spans(PLAN)


def make(format="mp4", span=SPANS[0]):
    return parts.make(PLAN, format, span, [draw_clip(128, 128, span.frames)])


def assert_same(mine, other):
    assert mine.segment == other.segment
    assert np.array_equal(np.array(mine.small), np.array(other.small))
    assert (mine.middle is None) == (other.middle is None)
    assert mine.middle is None or np.array_equal(mine.middle, other.middle)


@pytest.mark.parametrize("format", ["mp4", "webm"])
@pytest.mark.parametrize("span", SPANS)
def test_a_segment_comes_back_as_it_was(format, span):
    part = make(format, span)
    stored.write(JOB, RUN, PLAN, format, span, part)
    assert_same(stored.read(JOB, RUN, PLAN, format, span), part)


def test_one_that_was_never_made_is_not_there():
    assert stored.read(JOB, RUN, PLAN, "mp4", SPANS[0]) is None


@pytest.mark.parametrize(
    "asked",
    [
        {"run": RUN + 1},
        {"format": "webm"},
        {"plan": dataclasses.replace(PLAN, width=126)},
        {"plan": dataclasses.replace(PLAN, fps=16)},
        {"span": dataclasses.replace(SPANS[0], start=1)},
        {"span": dataclasses.replace(SPANS[0], chunks=SPANS[0].chunks[:1])},
    ],
)
def test_one_that_was_made_otherwise_is_encoded_again(asked):
    stored.write(JOB, RUN, PLAN, "mp4", SPANS[0], make())
    about = {"run": RUN, "plan": PLAN, "format": "mp4", "span": SPANS[0], **asked}
    assert stored.read(JOB, **about) is None


@pytest.mark.parametrize("damage", ["a bit", "its end", "everything"])
def test_a_damaged_one_is_encoded_again(damage):
    stored.write(JOB, RUN, PLAN, "mp4", SPANS[0], make())
    data = bytearray(frame_store.read_segment(JOB, 0))
    if damage == "a bit":
        data[-1] ^= 1
    damaged = {"a bit": bytes(data), "its end": bytes(data[:-9]), "everything": b"\xff" * 40}[damage]
    frame_store.write_segment(JOB, 0, damaged)
    assert stored.read(JOB, RUN, PLAN, "mp4", SPANS[0]) is None


def test_segments_go_with_the_frames_of_their_job():
    stored.write(JOB, RUN, PLAN, "mp4", SPANS[0], make())
    assert frame_store.exists(storage_keys.segment(JOB, 0))
    frame_store.delete_job(JOB)
    assert not frame_store.exists(storage_keys.segment(JOB, 0))

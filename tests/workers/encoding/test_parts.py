"""A clip is cut only where a key frame is due, and nothing of it is lost at the cuts."""

import dataclasses
import gc
import weakref

import numpy as np
import pytest

from generation.requests import available
from generation.requests.fields import FPS
from generation.requests.request import parse
from tests.factories import a_request
from tests.workers.media.clips import draw_clip
from workers import media
from workers.encoding import parts


def plan_of(**changes):
    return available.plan_for(parse(a_request(**changes), available.catalogue(), available.limits()))


@pytest.mark.parametrize("size", ["128x128", "456x256", "512x512"])
@pytest.mark.parametrize("seconds", range(1, 11))
@pytest.mark.parametrize("fps", FPS)
def test_the_segments_are_all_chunks_in_order_and_each_but_the_last_is_of_two_seconds(size, seconds, fps):
    plan = plan_of(size=size, seconds=seconds, fps=fps)
    spans = parts.spans(plan)
    assert [chunk for span in spans for chunk in span.chunks] == list(plan.chunks)
    assert [span.index for span in spans] == list(range(len(spans)))
    assert [span.start for span in spans] == [sum(other.frames for other in spans[: span.index]) for span in spans]
    assert all(span.frames >= 2 * fps for span in spans[:-1])
    assert all(span.frames - span.chunks[-1].frames < 2 * fps for span in spans)


def test_what_the_images_need_is_the_same_in_segments_as_in_one_pass():
    plan = plan_of(size="128x128", seconds=5, fps=24)
    clip = draw_clip(128, 128, plan.frames)
    whole, pieces = parts.Pictures(plan), parts.Pictures(plan)
    for index, frame in enumerate(clip):
        whole.keep(index, frame)
    spans = parts.spans(plan)
    assert len(spans) == 3
    for span in spans:
        frames = clip[span.start : span.start + span.frames]
        pieces.add(parts.make(plan, "mp4", span, np.array_split(frames, len(span.chunks))))
    assert np.array_equal(whole.middle, pieces.middle)
    assert np.array_equal(np.stack(whole.small), np.stack(pieces.small))


@pytest.mark.parametrize("size", ["128x128", "512x512"])  # a card's image is smaller than the second only
def test_chunks_are_let_go_once_they_are_encoded(size):
    plan = plan_of(size=size, seconds=6, fps=8)
    side = int(size.partition("x")[0])
    chunks = []

    def clips(span):
        for chunk in span.chunks:
            assert sum(there() is not None for there in chunks) <= 1
            clip = draw_clip(side, side, chunk.frames)
            chunks.append(weakref.ref(clip))
            yield clip
            del clip

    made = [parts.make(plan, "mp4", span, clips(span)) for span in parts.spans(plan)]
    gc.collect()
    assert (len(made), len(chunks)) == (3, 6)
    assert not [there for there in chunks if there() is not None]


@pytest.mark.parametrize("fps", FPS)
def test_a_minute_keeps_no_more_for_its_preview_than_the_preview_has(fps):
    plan = dataclasses.replace(plan_of(size="128x128", seconds=6, fps=fps), frames=60 * fps)
    pictures = parts.Pictures(plan)
    for index in range(plan.frames):
        pictures.keep(index, np.zeros((2, 2, 3), np.uint8))
    assert 48 <= len(pictures.small) <= 96


@pytest.mark.parametrize("format", media.IN_SEGMENTS)
def test_frames_are_cropped_to_the_size_that_was_asked_for(format):
    plan = plan_of(size="228x128", seconds=1, fps=8)
    (span,) = parts.spans(plan)
    part = parts.make(plan, format, span, [draw_clip(256, 128, plan.frames)])
    assert (part.segment.width, part.segment.height, part.segment.frames) == (228, 128, plan.frames)

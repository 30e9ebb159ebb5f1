"""Which pictures of a clip the safety check looks at."""

import io
from itertools import pairwise

import numpy as np
import pytest

from tests.workers.media.clips import CODECS, decode, draw_clip, encode, psnr
from workers.safety.sampling import chosen, pictures


@pytest.mark.parametrize(
    ("frames", "fps", "count"),
    [
        (1, 8, 1),
        (2, 8, 2),
        (3, 24, 3),
        (17, 8, 5),
        (48, 24, 5),
        (24, 24, 4),
        (240, 24, 21),
        (24 * 600, 24, 48),
        (5, 60, 4),
    ],
)
def test_two_pictures_a_second_and_never_more_than_a_bound(frames, fps, count):
    found = chosen(frames, fps)
    assert len(found) == count
    assert (found[0], found[-1]) == (0, frames - 1)
    steps = {after - before for before, after in pairwise(found)}
    assert not steps or max(steps) - min(steps) <= 1


@pytest.mark.parametrize("format", CODECS)
def test_the_pictures_are_those_frames(tmp_path, format):
    clip = draw_clip(64, 48, 16)
    path = encode(tmp_path, format, clip, fps=8)
    with open(path, "rb") as file:
        found = list(pictures(file, 16, 8))
    assert [second for second, _ in found] == [index / 8 for index in chosen(16, 8)]
    for (_, picture), index in zip(found, chosen(16, 8), strict=True):
        assert psnr(np.asarray(picture), decode(path, index)) > 30


@pytest.mark.parametrize("content", [b"", b"no video at all", bytes(5000)])
def test_what_is_no_video_is_an_error_and_not_a_pass(content):
    with pytest.raises(ValueError, match="cannot be decoded"):
        list(pictures(io.BytesIO(content), 16, 8))


def test_a_video_that_ends_early_is_an_error_and_not_a_pass(tmp_path):
    path = encode(tmp_path, "mp4", draw_clip(64, 48, 8), fps=8)
    with open(path, "rb") as file, pytest.raises(ValueError, match="fewer than 16 frames"):
        list(pictures(file, 16, 8))

"""Resizing and cropping."""

import numpy as np
import pytest

from tests.workers.media.clips import SIZES
from workers import media


def test_resizing_to_the_present_size_changes_no_pixel():
    clip = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    assert np.array_equal(media.resize_and_crop(clip, 30, 20), clip)


@pytest.mark.parametrize(("width", "height"), [(30, 16), (27, 20), (30, 15)])
def test_cutting_alone_keeps_the_pixels_of_the_middle(width, height):
    clip = np.random.default_rng(0).integers(0, 256, (2, 20, 30, 3), dtype=np.uint8)
    top, left = (20 - height) // 2, (30 - width) // 2
    expected = clip[:, top : top + height, left : left + width]
    assert np.array_equal(media.resize_and_crop(clip, width, height), expected)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize(("from_width", "from_height"), [(256, 256), (1024, 576), (512, 912)])
def test_any_size_is_covered_without_distortion_or_border(from_width, from_height, width, height):
    """A disc in the middle of a flat image stays a disc in the middle, and no edge changes colour."""
    y, x = np.mgrid[0:from_height, 0:from_width] + 0.5
    side = min(from_width, from_height)
    disc = (x - from_width / 2) ** 2 + (y - from_height / 2) ** 2 < (side / 5) ** 2
    clip = np.where(disc[..., None], 255, np.array([10, 60, 90]))[None].astype(np.uint8)
    result = media.resize_and_crop(clip, width, height)
    assert (result.shape, result.dtype) == ((1, height, width, 3), np.uint8)
    edge = np.concatenate([result[0, [0, -1]].reshape(-1, 3), result[0, :, [0, -1]].reshape(-1, 3)])
    assert (edge == (10, 60, 90)).all()
    rows, columns = np.nonzero(result[0, ..., 0] > 132)
    assert abs(rows.mean() + 0.5 - height / 2) < 0.6
    assert abs(columns.mean() + 0.5 - width / 2) < 0.6
    scale = max(width / from_width, height / from_height)
    assert len(rows) == pytest.approx(np.pi * (side / 5 * scale) ** 2, rel=0.03)


def test_shrinking_is_antialiased():
    board = (np.indices((256, 256)).sum(0) % 2 * 255).astype(np.uint8)
    clip = np.repeat(board[None, ..., None], 3, axis=3)
    middle = media.resize_and_crop(clip, 100, 100)[0, 5:-5, 5:-5]
    assert np.abs(middle.astype(int) - 127).max() <= 12


@pytest.mark.parametrize(
    ("clip", "width", "height"),
    [
        (np.zeros((1, 8, 8, 3), np.uint8), 0, 8),
        (np.zeros((8, 8, 3), np.uint8), 8, 8),
        (np.zeros((1, 8, 8, 3), np.float32), 4, 4),
    ],
)
def test_resizing_refuses_what_is_no_clip_or_size(clip, width, height):
    with pytest.raises(ValueError, match=r"must be uint8|not possible"):
        media.resize_and_crop(clip, width, height)

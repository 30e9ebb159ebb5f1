"""A clip that was encoded piece by piece is one video: every frame, its time, and a key frame where a piece begins."""

import dataclasses
from fractions import Fraction

import av
import numpy as np
import pytest

from tests.workers.media.clips import RATES, SETTINGS, decode, draw_clip, psnr
from workers import media

FORMATS = ("mp4", "webm")


def segments(clip, fps, format, lengths):
    ends = np.cumsum(lengths)
    assert ends[-1] == len(clip)
    return [
        media.encode_segment(clip[end - length : end], fps=fps, format=format)
        for length, end in zip(lengths, ends, strict=True)
    ]


def joined(folder, clip, fps, format, lengths, **about):
    path = folder / f"joined.{format}"
    media.join(segments(clip, fps, format, lengths), path, fps=fps, format=format, **about)
    return path


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("format", FORMATS)
def test_what_is_joined_has_every_frame_at_its_time(tmp_path, format, fps):
    clip = draw_clip(128, 96, 3 * fps)
    path = joined(tmp_path, clip, fps, format, [2 * fps, fps - 1, 1], metadata=SETTINGS)
    found = media.probe(path)
    assert (found.width, found.height, found.frames, found.fps) == (128, 96, 3 * fps, Fraction(fps))
    assert (found.duration, found.faststart, found.metadata) == (Fraction(3), True, SETTINGS)
    pictures = decode(path)
    assert all(psnr(mine, other) > 30 for mine, other in zip(pictures, clip, strict=True))
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([index / fps for index in range(3 * fps)], abs=6e-4)


@pytest.mark.parametrize("format", FORMATS)
def test_a_segment_begins_with_a_key_frame(tmp_path, format):
    path = joined(tmp_path, draw_clip(64, 48, 40), 8, format, [16, 16, 8])
    with av.open(str(path)) as container:
        keys = [index for index, frame in enumerate(container.decode(video=0)) if frame.key_frame]
    assert keys == [0, 16, 32]


@pytest.mark.parametrize("format", FORMATS)
def test_one_segment_is_what_is_encoded_at_once(tmp_path, format):
    clip, whole = draw_clip(96, 64, 20), tmp_path / f"whole.{format}"
    media.encode(clip, whole, fps=8, format=format, metadata=SETTINGS)
    assert joined(tmp_path, clip, 8, format, [20], metadata=SETTINGS).read_bytes() == whole.read_bytes()


@pytest.mark.parametrize("format", FORMATS)
def test_segments_cost_no_more_than_a_clip_in_one_piece(tmp_path, format):
    """The key frames are where they are anyway."""
    clip, whole = draw_clip(128, 96, 48), tmp_path / f"whole.{format}"
    media.encode(clip, whole, fps=8, format=format)
    pieces = joined(tmp_path, clip, 8, format, [16, 16, 16])
    assert pieces.stat().st_size < 1.05 * whole.stat().st_size


def test_the_header_is_known_before_anything_is_encoded():
    for format in FORMATS:
        (segment,) = segments(draw_clip(64, 48, 4), 8, format, [4])
        assert media.header_of(format, 64, 48, 8) == segment.header


@pytest.mark.parametrize("change", [{"width": 66}, {"height": 50}, {"header": b"of another encoder"}])
@pytest.mark.parametrize("place", [0, 1])
def test_segments_that_do_not_belong_together_are_refused(tmp_path, change, place):
    pieces = segments(draw_clip(64, 48, 8), 8, "mp4", [4, 4])
    pieces[place] = dataclasses.replace(pieces[place], **change)
    with pytest.raises(ValueError, match="one size and one encoder"):
        media.join(pieces, tmp_path / "clip.mp4", fps=8, format="mp4")
    assert list(tmp_path.iterdir()) == []


def test_segments_of_an_encoder_that_this_file_has_not_are_refused(tmp_path):
    pieces = [dataclasses.replace(piece, header=b"?") for piece in segments(draw_clip(64, 48, 4), 8, "mp4", [4])]
    with pytest.raises(ValueError, match="another encoder"):
        media.join(pieces, tmp_path / "clip.mp4", fps=8, format="mp4")
    assert list(tmp_path.iterdir()) == []


def test_no_segments_are_no_clip(tmp_path):
    with pytest.raises(ValueError, match="at least one segment"):
        media.join([], tmp_path / "clip.mp4", fps=8, format="mp4")

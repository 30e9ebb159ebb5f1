"""Encoded files match the request."""

import struct
import weakref
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from zoneinfo import ZoneInfo

import av
import numpy as np
import pytest

from tests.sampling import every
from tests.workers.media.clips import CODECS, RATES, SETTINGS, SIZES, decode, draw_clip, encode, psnr
from workers import media
from workers.media import packets


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(("width", "height"), every(3, SIZES))
@pytest.mark.parametrize("format", CODECS)
def test_size_frames_rate_and_length_come_out_exactly_as_asked(tmp_path, format, width, height, fps):
    clip = draw_clip(width, height, fps)  # one second
    path = encode(tmp_path, format, clip, fps=fps, metadata=SETTINGS)
    assert media.probe(path) == media.Probe(
        width=width,
        height=height,
        frames=fps,
        fps=Fraction(fps),
        duration=Fraction(1),
        codec=CODECS[format],
        format=format,
        faststart=True,
        metadata=SETTINGS,
    )
    assert psnr(decode(path, fps // 2), clip[fps // 2]) > 30


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_flat_colours_survive_and_are_tagged_as_limited_bt709(tmp_path, format):
    rng = np.random.default_rng(5)
    primaries = [[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)]
    colours = np.array([*primaries, *rng.integers(0, 256, (56, 3))], dtype=np.uint8)
    picture = colours.reshape(8, 8, 3).repeat(32, 0).repeat(32, 1)
    path = encode(tmp_path, format, [picture] * 8)
    centres = decode(path)[:, 16::32, 16::32].reshape(8, 64, 3).astype(int)
    assert np.abs(centres - colours).max() <= 3
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (frame.color_range, frame.colorspace, frame.color_primaries, frame.color_trc) == (1, 1, 1, 1)


def test_mp4_is_high_profile_420_with_a_key_frame_every_two_seconds(tmp_path):
    path = encode(tmp_path, "mp4", draw_clip(64, 64, 40))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.profile, stream.codec_context.pix_fmt) == ("High", "yuv420p")
        keys = [frame.pts * stream.time_base for frame in container.decode(stream) if frame.key_frame]
    assert keys == [0, 2, 4]


def test_mp4_is_as_faithful_and_small_as_x264s_own_preset_at_a_constant_rate_of_17(tmp_path, monkeypatch):
    grain = np.random.default_rng(0).normal(0, 3, (24, 96, 128, 3))
    clip = np.clip(draw_clip(128, 96, 24) + grain, 0, 255).astype(np.uint8)

    def of(path):
        return psnr(decode(path), clip), path.stat().st_size

    ours = of(encode(tmp_path, "mp4", clip))
    plain = {"crf": "17", "preset": "medium", "profile": "high"}
    monkeypatch.setitem(packets.CODECS, "mp4", replace(packets.CODECS["mp4"], options=plain))
    fidelity, size = of(encode(tmp_path, "mp4", clip))
    assert ours[0] > fidelity - 0.05
    assert ours[1] < 1.05 * size


def test_mp4_has_its_index_before_its_pictures(tmp_path):
    data = encode(tmp_path, "mp4", metadata=SETTINGS).read_bytes()
    boxes, place = [], 0
    while place < len(data):
        size, name = struct.unpack(">I4s", data[place : place + 8])
        boxes.append(name)
        place += size
    assert place == len(data)
    assert boxes.index(b"moov") < boxes.index(b"mdat")


def test_webm_has_its_index_before_its_pictures(tmp_path):
    data = encode(tmp_path, "webm").read_bytes()
    assert 0 < data.index(bytes.fromhex("1c53bb6b"), 100) < data.index(bytes.fromhex("1f43b675"))


@pytest.mark.parametrize("format", CODECS)
def test_the_same_frames_give_the_same_bytes(tmp_path, format):
    clip = draw_clip(320, 192, 12)
    first = encode(tmp_path, format, clip, metadata=SETTINGS).read_bytes()
    assert encode(tmp_path, format, clip, metadata=SETTINGS).read_bytes() == first


@pytest.mark.parametrize("format", CODECS)
def test_a_generator_gives_the_same_file_as_a_list(tmp_path, format):
    clip = draw_clip(96, 64, 12)
    from_array = encode(tmp_path, format, clip).read_bytes()
    assert encode(tmp_path, format, (frame for frame in clip)).read_bytes() == from_array
    assert [file.name for file in tmp_path.iterdir()] == [f"clip.{format}"]


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("format", CODECS)
def test_frames_are_let_go_as_they_are_encoded(tmp_path, format, once):
    alive = weakref.WeakSet()
    most = 0

    class Clip:
        def __iter__(self):
            nonlocal most
            for index in range(40):
                frame = np.full((48, 64, 3), index * 5, np.uint8)
                alive.add(_Token.of(frame))
                most = max(most, len(alive))
                yield frame

    clip = Clip()
    assert media.probe(encode(tmp_path, format, iter(clip) if once else clip)).frames == 40
    assert 0 < most <= 4


class _Token:
    """Lives as long as an array (arrays themselves are unhashable, so a WeakSet can't hold them)."""

    @classmethod
    def of(cls, array: np.ndarray) -> "_Token":
        token = cls()
        weakref.finalize(array, lambda _token: None, token)
        return token


@pytest.mark.parametrize("format", CODECS)
def test_a_still_clip_keeps_all_its_frames(tmp_path, format):
    probe = media.probe(encode(tmp_path, format, np.full((24, 32, 32, 3), 90, np.uint8), fps=24))
    assert (probe.frames, probe.duration) == (24, 1)


@pytest.mark.parametrize("format", CODECS)
def test_a_clip_of_one_frame_is_a_video_too(tmp_path, format):
    probe = media.probe(encode(tmp_path, format, draw_clip(32, 32, 1), fps=8))
    assert probe.frames == 1
    assert float(probe.duration) == pytest.approx(1 / 8, abs=0.0051)


@pytest.mark.parametrize("format", ["webm", "gif"])
def test_odd_sizes_are_fine_where_the_format_allows_them(tmp_path, format):
    probe = media.probe(encode(tmp_path, format, draw_clip(65, 33, 4)))
    assert (probe.width, probe.height) == (65, 33)


@pytest.mark.parametrize(("width", "height"), [(65, 64), (64, 65)])
def test_mp4_of_an_odd_size_is_refused_with_the_reason(tmp_path, width, height):
    with pytest.raises(ValueError, match=f"even width and height, not {width}x{height}"):
        encode(tmp_path, "mp4", draw_clip(width, height, 2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        ([], "at least one frame"),
        (iter([]), "at least one frame"),
        (np.zeros((2, 8, 8, 3), np.float32), "uint8"),
        (np.zeros((2, 8, 8, 4), np.uint8), "uint8"),
        (np.zeros((2, 8, 8), np.uint8), "uint8"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)], "one size"),
    ],
)
@pytest.mark.parametrize("format", CODECS)
def test_wrong_frames_are_refused(tmp_path, format, frames, text):
    with pytest.raises(ValueError, match=text):
        encode(tmp_path, format, frames)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"format": "avi"}, "Unknown format"),
        ({"fps": 0}, "positive whole number"),
        ({"fps": 23.976}, "positive whole number"),
        ({"format": "gif", "fps": 60}, "at most 50"),
        ({"metadata": {"a": float("nan")}}, "JSON"),
        ({"metadata": {"a": object()}}, "JSON"),
        ({"metadata": {"a": "a" * 70_000}}, "do not fit"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, options, text):
    with pytest.raises(ValueError, match=text):
        media.encode(draw_clip(16, 16, 2), tmp_path / "clip", **{"fps": 8, "format": "mp4", **options})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", CODECS)
def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path, format):
    before = encode(tmp_path, format).read_bytes()

    def frames():
        yield from draw_clip(64, 48, 20)
        raise KeyError("storage went away")

    with pytest.raises(KeyError):
        encode(tmp_path, format, frames())
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [before]


def test_a_picture_without_a_time_is_refused():
    with pytest.raises(ValueError, match="without a time"):
        packets._packet(av.Packet(4))


@pytest.mark.parametrize("format", ["mp4", "webm"])
def test_a_file_says_when_its_clip_was_made(tmp_path, format):
    made = datetime(2026, 5, 1, 14, 30, tzinfo=ZoneInfo("Europe/Warsaw"))
    path = encode(tmp_path, format, metadata=SETTINGS, created=made)
    with av.open(str(path)) as container:
        found = datetime.fromisoformat(container.metadata["creation_time"])
    assert found == made
    assert media.read_settings(path) == SETTINGS

"""Encoding, probing and the pictures around a video, on clips that are drawn here."""

import io
import json
import struct
import weakref
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from workers import media
from workers.media.containers import READ_BUDGET

SIZES = [(456, 256), (256, 456), (128, 128), (1000, 562)]
RATES = [8, 16, 24, 32]
CODECS = {"mp4": "h264", "webm": "vp9", "gif": "gif"}
SETTINGS = {
    "prompt": 'a "red" heart ❤️ rising\nover the sea, süß, 心, \u2028, \x7f \\ </script>',
    "seed": 2**63 - 1,
    "guidance": 7.5,
    "motion_loras": [["zoom-in", 0.8]],
    "negative_prompt": "",
    "preset": None,
}


def draw_clip(width: int, height: int, count: int) -> np.ndarray:
    """A disc that moves over a gradient: uint8 [count, height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    background = np.stack([x / width * 200 + 20, y / height * 180 + 30, 255 - x / width * 120 - y / height * 100], -1)
    clip = np.repeat(background.astype(np.uint8)[None], count, axis=0)
    for index, frame in enumerate(clip):
        centre = width * (0.25 + 0.5 * index / count)
        frame[(x - centre) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 6) ** 2] = (220, 40, 50)
    return clip


def decode(path: Path, only: int | None = None) -> np.ndarray:
    """The pictures of a video as uint8 [F, H, W, 3], or `only` one of them, [H, W, 3]."""
    if path.suffix == ".gif":
        with Image.open(path) as image:
            pictures = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(image)]
        return np.stack(pictures) if only is None else pictures[only]
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
        if only is not None:
            return limited_bt709_to_rgb(pictures[only])
        return np.stack([limited_bt709_to_rgb(picture) for picture in pictures])


def limited_bt709_to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """Our own arithmetic (ITU-R BT.709-6, item 3), so that one library's mistake does not hide in its inverse."""
    assert frame.format.name == "yuv420p"
    y, cb, cr = (
        np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width].astype(float)
        for plane in frame.planes
    )
    cb, cr = (c.repeat(2, 0).repeat(2, 1)[: y.shape[0], : y.shape[1]] for c in (cb, cr))
    y, cb, cr = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    red, blue = y + 1.5748 * cr, y + 1.8556 * cb
    green = (y - 0.2126 * red - 0.0722 * blue) / 0.7152
    return (np.clip(np.stack([red, green, blue], -1), 0, 1) * 255).round().astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return 10 * np.log10(255**2 / max(1e-9, np.mean((a.astype(float) - b.astype(float)) ** 2)))


def encode(tmp_path: Path, format: str, frames=None, *, fps: int = 8, metadata=None) -> Path:
    path = tmp_path / f"clip.{format}"
    media.encode(draw_clip(64, 48, 8) if frames is None else frames, path, fps=fps, format=format, metadata=metadata)
    return path


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(("width", "height"), SIZES)
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


def test_an_index_at_the_end_is_noticed_and_the_settings_are_found_all_the_same(tmp_path):
    path = tmp_path / "late.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["comment"] = json.dumps(SETTINGS)
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in draw_clip(64, 48, 4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode(None))
    probe = media.probe(path)
    assert not probe.faststart
    assert probe.metadata == SETTINGS


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
    """Lives as long as an array does (arrays themselves cannot be in a WeakSet: they have no hash)."""

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


def test_gif_plays_for_ever_from_one_palette(tmp_path):
    path = encode(tmp_path, "gif", draw_clip(96, 64, 12), fps=24, metadata=SETTINGS)
    with Image.open(path) as image:
        assert image.info["loop"] == 0
    data = path.read_bytes()
    tables = [block for block in gif_pictures(data) if block["own_table"]]
    assert data[10] & 0x80
    assert tables == []


def gif_pictures(data: bytes) -> list[dict]:
    """The picture blocks of a gif: whether each has a colour table of its own."""
    pictures, place = [], 13 + (3 << ((data[10] & 7) + 1))
    while data[place] != 0x3B:
        if data[place] == 0x21:
            place += 2
        else:
            flags = data[place + 9]
            pictures.append({"own_table": bool(flags & 0x80)})
            place += 10 + (3 << ((flags & 7) + 1) if flags & 0x80 else 0) + 1
        while data[place]:
            place += 1 + data[place]
        place += 1
    return pictures


@pytest.mark.parametrize("fps", RATES)
def test_gif_delays_never_drift(tmp_path, fps):
    path = encode(tmp_path, "gif", draw_clip(32, 32, 2 * fps), fps=fps)
    with Image.open(path) as image:
        delays = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]  # ms
    starts = np.cumsum([0, *delays])
    assert np.abs(starts - 1000 * np.arange(2 * fps + 1) / fps).max() <= 5
    assert starts[-1] == 2000


def test_gif_shows_a_gradient_well_and_its_dithering_stands_still(tmp_path):
    clip = draw_clip(256, 256, 16)
    decoded = decode(encode(tmp_path, "gif", clip))
    assert min(psnr(a, b) for a, b in zip(decoded, clip, strict=True)) > 33
    still = (clip == clip[0]).all(axis=(0, 3))
    assert still.mean() > 0.5
    assert (decoded[:, still] == decoded[0, still]).all()


def test_gif_palette_is_made_from_all_frames(tmp_path):
    """A clip that turns from red to blue: a palette of its first frame would have no blue."""
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    red, blue = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    red[..., 0], blue[..., 2] = ramp, ramp
    decoded = decode(encode(tmp_path, "gif", [red] * 4 + [blue] * 4))
    assert psnr(decoded[-1], blue) > 33


@pytest.mark.parametrize("format", CODECS)
def test_other_programs_find_the_settings_as_the_comment(tmp_path, format):
    path = encode(tmp_path, format, metadata=SETTINGS)
    if format == "gif":
        with Image.open(path) as image:
            comment = image.info["comment"].decode("ascii")
    else:
        with av.open(str(path)) as container:
            comment = {key.lower(): value for key, value in container.metadata.items()}["comment"]
    assert json.loads(comment) == SETTINGS


@pytest.mark.parametrize("format", CODECS)
@pytest.mark.parametrize("written", [{"a": 1}, {"prompt": '心🎈é"\\' * 2000}, {"half": "\ud83c"}], ids=len)
def test_any_settings_are_read_back(tmp_path, format, written):
    path = encode(tmp_path, format, metadata=written)
    assert media.read_settings(path) == written
    assert media.read_settings(str(path)) == written
    file = io.BytesIO(path.read_bytes())
    file.seek(7)
    assert media.read_settings(file) == written
    assert file.tell() == 7
    assert media.probe(path).frames == 8


@pytest.mark.parametrize("format", CODECS)
def test_a_file_without_settings_has_none(tmp_path, format):
    assert media.read_settings(encode(tmp_path, format)) is None


@pytest.mark.parametrize("format", CODECS)
def test_reading_settings_never_raises_on_damage(tmp_path, format):
    data = encode(tmp_path, format, metadata=SETTINGS).read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(400):
        damaged = bytearray(data[: rng.integers(0, len(data))])
        for place in rng.integers(0, max(1, min(len(damaged), 3000)), 8 if len(damaged) else 0):
            damaged[place] = rng.integers(0, 256)
        settings = media.read_settings(io.BytesIO(damaged))
        assert settings is None or isinstance(settings, dict)


class CountingFile(io.BytesIO):
    bytes_read = 0

    def read(self, size=-1):
        data = super().read(size)
        self.bytes_read += len(data)
        return data


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), name) + body


def mp4_with_comment(comment: bytes) -> bytes:
    item = box(b"\xa9cmt", box(b"data", bytes(8), comment))
    return box(b"ftyp", b"isom") + box(b"moov", box(b"udta", box(b"meta", bytes(4), box(b"ilst", item))))


EBML = bytes.fromhex("1a45dfa380")
SEGMENT_OF_UNKNOWN_SIZE = bytes.fromhex("18538067") + b"\x01" + b"\xff" * 7
HOSTILE = {
    "empty": b"",
    "not a video": b"<html>" * 100,
    "mp4 of a million boxes": box(b"ftyp", b"isom") + box(b"free") * 1_000_000,
    "mp4 with a box larger than the file": box(b"ftyp", b"isom") + b"\xff\xff\xff\xffmoov",
    "mp4 with a box smaller than its header": box(b"ftyp", b"isom") + b"\0\0\0\x01moov" + bytes(8) + b"\0" * 100,
    "mp4 with a huge comment": mp4_with_comment(b'{"a":"' + b"a" * 10_000_000 + b'"}'),
    "mp4 with a list": mp4_with_comment(b"[1]"),
    "mp4 with deep nesting": mp4_with_comment(b"[" * 60_000),
    "mp4 with a huge number": mp4_with_comment(b'{"a":' + b"9" * 60_000 + b"}"),
    "mp4 with broken text": mp4_with_comment(b'{"a":"\xff"}'),
    "webm of a million elements": EBML + SEGMENT_OF_UNKNOWN_SIZE + b"\xec\x80" * 1_000_000,
    "webm with an impossible number": EBML + SEGMENT_OF_UNKNOWN_SIZE + bytes(1000),
    "gif of a million comments": b"GIF89a" + bytes(7) + b"\x21\xfe\x01[\0" * 1_000_000,
    "gif with an endless comment": b"GIF89a" + bytes(7) + b"\x21\xfe" + (b"\xff" + b"a" * 255) * 40_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_have_no_settings_and_cost_little(name):
    file = CountingFile(HOSTILE[name])
    assert media.read_settings(file) is None
    assert file.bytes_read <= READ_BUDGET


def test_the_hostile_boxes_are_read_when_they_are_honest():
    assert media.read_settings(io.BytesIO(mp4_with_comment(b'{"a":1}'))) == {"a": 1}


def test_a_missing_file_is_an_error_and_not_a_file_without_settings(tmp_path):
    with pytest.raises(FileNotFoundError):
        media.read_settings(tmp_path / "none.mp4")


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


def test_probe_says_what_is_wrong_with_a_file(tmp_path):
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(b"\0\0\0\x10ftypisom" + bytes(range(256)) * 40)
    with pytest.raises(ValueError, match=r"garbage\.mp4"):
        media.probe(garbage)
    with pytest.raises(FileNotFoundError):
        media.probe(tmp_path / "none.mp4")


def test_probe_counts_the_frames_that_are_there_not_the_ones_promised(tmp_path):
    path = encode(tmp_path, "webm", draw_clip(320, 192, 24), fps=24)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert media.probe(path).frames < 24


@pytest.mark.parametrize("name", ["poster.webp", "poster.jpg"])
def test_poster_shows_the_frame(tmp_path, name):
    frame = draw_clip(456, 256, 1)[0]
    media.poster(frame, tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.size == (456, 256)
        assert psnr(np.asarray(image.convert("RGB")), frame) > 32


def test_poster_knows_its_formats(tmp_path):
    with pytest.raises(ValueError, match="webp or"):
        media.poster(draw_clip(16, 16, 1)[0], tmp_path / "poster.bmp")


def animation(data: bytes | Path) -> tuple[Image.Image, list[np.ndarray], int]:
    """An animated picture, its frames, and its length in ms."""
    image = Image.open(io.BytesIO(data) if isinstance(data, bytes) else data)
    frames, length = [], 0
    for frame in ImageSequence.Iterator(image):
        frames.append(np.asarray(frame.convert("RGB")))
        length += image.info["duration"]
    return image, frames, length


@pytest.mark.parametrize(("fps", "count"), [(8, 16), (24, 48), (32, 64)])
def test_hover_preview_is_small_and_as_long_as_the_clip(tmp_path, fps, count):
    clip = draw_clip(640, 360, count)
    path = tmp_path / "hover.webp"
    media.hover_preview(iter(clip), path, fps)
    image, frames, length = animation(path)
    assert path.stat().st_size <= media.HOVER_BYTES
    assert (image.size, len(frames), length, image.info["loop"]) == ((320, 180), 16, 2000, 0)
    half = np.asarray(Image.fromarray(clip[count // 2]).resize((320, 180), Image.Resampling.LANCZOS))
    assert psnr(frames[8], half) > 30


@pytest.mark.parametrize(("width", "height"), [(320, 320), (128, 480)])
def test_hover_preview_fits_even_for_noise(tmp_path, width, height):
    rng = np.random.default_rng(0)
    noise = (rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(48))
    path = tmp_path / "hover.webp"
    media.hover_preview(noise, path, 8)
    _, frames, length = animation(path)
    assert path.stat().st_size <= media.HOVER_BYTES
    assert len(frames) > 1
    assert length == 6_000


def test_hover_preview_of_a_long_clip_keeps_its_length_with_fewer_frames(tmp_path):
    media.hover_preview(draw_clip(64, 48, 500), tmp_path / "hover.webp", 8)
    _, frames, length = animation(tmp_path / "hover.webp")
    assert 48 <= len(frames) <= 96
    assert length == 62_500


def test_hover_preview_does_not_enlarge(tmp_path):
    media.hover_preview(draw_clip(128, 96, 8), tmp_path / "hover.webp", 8)
    assert animation(tmp_path / "hover.webp")[0].size == (128, 96)


def test_live_preview_is_the_clip_enlarged(tmp_path):
    clip = draw_clip(32, 24, 16)
    image, frames, length = animation(media.animated_preview(clip))
    assert (image.size, len(frames), length, image.info["loop"]) == ((192, 144), 16, 2000, 0)
    small = np.asarray(Image.fromarray(frames[8]).resize((32, 24), Image.Resampling.BOX))
    assert psnr(small, clip[8]) > 22


@pytest.mark.parametrize("spread", [10, 40, 80, 1000])
def test_live_preview_stays_small_while_all_is_noise(spread):
    rng = np.random.default_rng(2)
    noise = np.clip(rng.normal(128, spread, (16, 64, 64, 3)), 0, 255).astype(np.uint8)
    data = media.animated_preview(noise)
    assert len(data) <= media.LIVE_BYTES
    assert animation(data)[2] == 2000


def test_live_preview_of_a_long_clip_shows_sixteen_frames_at_its_pace():
    image, frames, length = animation(media.animated_preview(draw_clip(16, 64, 81)))
    assert (image.size, len(frames), length) == ((48, 192), 16, 10_125)


def test_live_preview_of_one_frame():
    assert animation(media.animated_preview(draw_clip(16, 16, 1)))[0].size == (192, 192)


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
    """A disc in the middle of a flat picture stays a disc in the middle, and no edge gets another colour."""
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

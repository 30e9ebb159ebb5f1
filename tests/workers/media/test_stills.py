"""Poster, hover preview and live preview."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.workers.media.clips import draw_clip, psnr
from workers import media
from workers.media import stills


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
    """Return an animated image, its frames, and its duration in ms."""
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


@pytest.mark.parametrize(("count", "fps"), [(48, 8), (96, 24), (500, 24), (130, 25), (640, 32), (700, 30)])
def test_hover_preview_is_the_same_of_all_frames_as_of_those_that_it_shows(tmp_path, count, fps):
    clip = draw_clip(32, 24, count)
    every = media.hover_every(count, fps)
    media.hover_preview(clip, tmp_path / "all.webp", fps)
    media.hover_preview(clip[::every], tmp_path / "some.webp", fps, every=every, count=count)
    assert (tmp_path / "some.webp").read_bytes() == (tmp_path / "all.webp").read_bytes()
    assert animation(tmp_path / "some.webp")[2] == round(1000 * count / fps)


def test_hover_preview_does_not_enlarge(tmp_path):
    media.hover_preview(draw_clip(128, 96, 8), tmp_path / "hover.webp", 8)
    assert animation(tmp_path / "hover.webp")[0].size == (128, 96)


def test_live_preview_is_the_clip_enlarged(tmp_path):
    clip = draw_clip(32, 24, 16)
    image, frames, length = animation(media.animated_preview(clip))
    assert (image.size, len(frames), length, image.info["loop"]) == ((96, 72), 16, 2000, 0)
    small = np.asarray(Image.fromarray(frames[8]).resize((32, 24), Image.Resampling.BOX))
    assert psnr(small, clip[8]) > 22


@pytest.mark.parametrize("spread", [10, 40, 80, 1000])
def test_live_preview_stays_small_while_all_is_noise(spread):
    rng = np.random.default_rng(2)
    noise = np.clip(rng.normal(128, spread, (16, 64, 64, 3)), 0, 255).astype(np.uint8)
    data = media.animated_preview(noise)
    assert len(data) <= media.LIVE_BYTES
    assert animation(data)[2] == 2000


def test_live_preview_of_noise_is_not_encoded_in_full_at_a_quality_that_cannot_fit(monkeypatch):
    encoded = []
    encode = stills.encode_pictures

    def counted(images, **options):
        encoded.extend(images)
        return encode(images, **options)

    monkeypatch.setattr(stills, "encode_pictures", counted)
    noise = np.random.default_rng(3).integers(0, 256, (16, 64, 64, 3), np.uint8)
    assert len(animation(media.animated_preview(noise))[1]) == 16
    assert 16 < len(encoded) <= 2 * 16  # those of the quality that fits, and some of the others


def test_live_preview_of_a_long_clip_shows_sixteen_frames_at_its_pace():
    image, frames, length = animation(media.animated_preview(draw_clip(16, 64, 81)))
    assert (image.size, len(frames), length) == ((24, 96), 16, 10_125)


def test_live_preview_of_one_frame():
    assert animation(media.animated_preview(draw_clip(16, 16, 1)))[0].size == (96, 96)


@pytest.mark.parametrize(("size", "shown"), [((128, 72), (128, 72)), ((192, 8), (192, 8)), ((64, 384), (32, 192))])
def test_live_preview_of_larger_latents_is_not_enlarged(size, shown):
    """Browsers do that, too."""
    assert animation(media.animated_preview(draw_clip(*size, 1)))[0].size == shown


def test_a_thumbnail_is_small_even_of_noise(tmp_path):
    noise = np.random.default_rng(1).integers(0, 256, (1080, 1920, 3), np.uint8)
    media.thumbnail(noise, tmp_path / "thumbnail.webp")
    assert (tmp_path / "thumbnail.webp").stat().st_size <= media.THUMBNAIL_BYTES
    with Image.open(tmp_path / "thumbnail.webp") as picture:
        assert picture.size in ((320, 180), (160, 90))

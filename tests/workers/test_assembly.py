"""The last stage delivers exactly the requested frame count, size and length, for everything the form offers."""

import errno
import threading

import numpy as np
import pytest
from django.conf import settings
from django.core.files.storage import storages

from auravideo.core.media.formats import FORMATS
from generation.requests import available
from generation.requests.fields import FPS
from generation.requests.sizes import ASPECTS, size_of, suggested_short_sides
from tests.factories import JobFactory, a_request
from tests.workers.media.clips import decode
from workers import assembly, media

pytestmark = pytest.mark.django_db

SECONDS = range(1, 11)
OFFERED = [
    size_of(side, aspect)
    for side in suggested_short_sides(available.catalogue().default_model, settings.MAX_SIDE)
    for aspect in ASPECTS
]
SIZES = [f"{width}x{height}" for width, height in OFFERED if max(width, height) <= settings.MAX_SIDE]


def clips_of(plan, chunks=None):
    """Return chunks as the previous stage writes them: upscaled, not yet cropped; every frame differs."""
    height, width = plan.base_height * plan.upscale, plan.base_width * plan.upscale
    for chunk in plan.chunks if chunks is None else chunks:
        clip = np.zeros((chunk.frames, height, width, 3), np.uint8)
        clip[:, :, : width // 2, 0] = 200
        clip[..., 1] = np.linspace(0, 255, chunk.frames).astype(np.uint8)[:, None, None]
        yield clip


def build(user, folder, **changes):
    job = JobFactory(user=user, request=a_request(**changes))
    plan = job.render_plan
    output = assembly.build(job, plan, lambda chunks: clips_of(plan, chunks), folder, lambda *_step: None)
    return job, output, media.probe(folder / f"video.{job.request['format']}")


def assert_exact(user, folder, size="128x128", seconds=1, fps=8, format="mp4"):
    _job, output, found = build(user, folder, size=size, seconds=seconds, fps=fps, format=format)
    assert f"{found.width}x{found.height}" == size
    assert found.frames == seconds * fps == output["frames"]
    assert found.duration == pytest.approx(seconds, abs=0.011 if format == "gif" else 1e-3)


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_out_exactly(user, tmp_path, size):
    assert_exact(user, tmp_path, size=size)


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("seconds", SECONDS)
def test_every_length_at_every_rate_comes_out_exactly(user, tmp_path, seconds, fps):
    assert_exact(user, tmp_path, seconds=seconds, fps=fps)


@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("format", FORMATS)
def test_every_format_at_every_rate_comes_out_exactly(user, tmp_path, format, fps):
    assert_exact(user, tmp_path, size="228x128", seconds=2, fps=fps, format=format)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["webm", "gif"])
@pytest.mark.parametrize("size", SIZES)
def test_every_size_in_the_other_formats_comes_out_exactly(user, tmp_path, size, format):
    assert_exact(user, tmp_path, size=size, format=format)


@pytest.mark.slow
@pytest.mark.parametrize("format", ["webm", "gif"])
@pytest.mark.parametrize("fps", FPS)
@pytest.mark.parametrize("seconds", SECONDS)
def test_every_length_at_every_rate_in_the_other_formats_comes_out_exactly(user, tmp_path, seconds, fps, format):
    assert_exact(user, tmp_path, seconds=seconds, fps=fps, format=format)


@pytest.mark.parametrize("format", FORMATS)
def test_the_file_alone_can_be_made_again(user, tmp_path, format):
    job, output, _found = build(user, tmp_path, format=format, negative_prompt="ąę \U0001f600")
    with storages["default"].open(output["video"]) as stream:
        embedded = media.read_settings(stream)
    assert embedded == {"auravideo": 1, "request": {**job.request, "seed": job.seed}}


def test_poster_and_preview_are_stored_beside_the_video(user, tmp_path):
    job, output, _found = build(user, tmp_path)
    for kind in ("video", "poster", "preview"):
        assert output[kind].startswith(f"videos/{job.pk}/")
        assert storages["default"].size(output[kind]) > 0
    assert output["size"] == storages["default"].size(output["video"])


def test_the_images_are_made_while_the_video_is_checked(user, tmp_path, monkeypatch):
    together = threading.Barrier(4, timeout=30)
    for name in ("poster", "thumbnail", "hover_preview", "probe"):
        make = getattr(media, name)
        monkeypatch.setattr(media, name, lambda *args, make=make, **more: (together.wait(), make(*args, **more))[1])
    job = JobFactory(user=user)
    plan = job.render_plan
    output = assembly.build(job, plan, lambda chunks: clips_of(plan, chunks), tmp_path, lambda *_step: None)
    assert output["frames"] == plan.frames


def test_an_image_that_cannot_be_made_fails_the_stage(user, tmp_path, monkeypatch):
    def refuse(*_args, **_more):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(media, "hover_preview", refuse)
    with pytest.raises(OSError, match="No space left"):
        build(user, tmp_path)


def test_a_chunk_with_a_frame_too_few_is_never_made_into_a_video(user, tmp_path):
    job = JobFactory(user=user)
    plan = job.render_plan
    short = [clip[:-1] for clip in clips_of(plan)]
    with pytest.raises(ValueError, match="the plan says"):
        assembly.build(
            job, plan, lambda chunks: (short[chunk.index] for chunk in chunks), tmp_path, lambda *_step: None
        )


def discs_of(plan, chunks):
    """Return chunks with a white disc in the middle, two fifths of the frame's height across."""
    height, width = plan.base_height * plan.upscale, plan.base_width * plan.upscale
    down, across = np.ogrid[:height, :width]
    disc = np.hypot(down - (height - 1) / 2, across - (width - 1) / 2) < 0.2 * height
    picture = np.repeat(np.where(disc, np.uint8(255), np.uint8(0))[..., None], 3, axis=2)
    for chunk in chunks:
        yield np.repeat(picture[None], chunk.frames, axis=0)


@pytest.mark.usefixtures("native_sizes")
@pytest.mark.parametrize(
    ("size", "base", "scale"),
    [
        ("832x480", (832, 480), 1),
        ("856x480", (832, 480), 856 / 832),  # what the form asks for in 16:9
        ("480x856", (480, 832), 856 / 832),
        ("1280x720", (832, 480), 1280 / 832),
        ("824x480", (832, 480), 1),  # cropped only: every pixel is as it was made
        ("456x256", (464, 256), 1),  # a draft
    ],
)
def test_what_is_made_at_a_native_size_is_cropped_evenly_and_never_stretched(user, tmp_path, size, base, scale):
    job = JobFactory(user=user, request=a_request(model="tides", size=size, seconds=1, fps=8))
    plan = job.render_plan
    assert (plan.base_width, plan.base_height) == base
    assembly.build(job, plan, lambda chunks: discs_of(plan, chunks), tmp_path, lambda *_step: None)
    frame = decode(tmp_path / "video.mp4")[-1]
    width, height = map(int, size.split("x"))
    assert frame.shape == (height, width, 3)
    rows, columns = (np.flatnonzero(frame[..., 1].max(axis=axis) > 127) for axis in (1, 0))
    diameter = 0.4 * plan.base_height * scale
    assert len(rows) == pytest.approx(diameter, abs=2)
    assert len(columns) == pytest.approx(diameter, abs=2)
    assert rows.mean() == pytest.approx((height - 1) / 2, abs=1)
    assert columns.mean() == pytest.approx((width - 1) / 2, abs=1)

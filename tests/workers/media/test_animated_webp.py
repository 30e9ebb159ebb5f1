"""Animations put together from pictures that were encoded one by one."""

import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.workers.media.clips import draw_clip, psnr
from workers.media.animated_webp import animation, encode_pictures


def played(data):
    """Return an animation's size, its pictures, and when each of them begins and the last ends."""
    with Image.open(io.BytesIO(data)) as image:
        pictures, times = [], [0]
        for frame in ImageSequence.Iterator(image):
            pictures.append(np.asarray(frame.convert("RGB")))
            times.append(times[-1] + frame.info["duration"])
        assert image.info["loop"] == 0
        return image.size, pictures, times


@pytest.mark.parametrize("size", [(64, 48), (63, 1), (1, 7)])
def test_every_picture_is_what_it_is_alone_and_shown_at_its_time(size):
    clip = draw_clip(*size, 5)
    times = [0, 125, 250, 375, 500, 700]
    alone = encode_pictures([Image.fromarray(frame) for frame in clip], quality=75, method=2)
    found, pictures, shown = played(animation(alone, size, times))
    assert (found, shown) == (size, times)
    for data, picture in zip(alone, pictures, strict=True):
        riff = b"RIFF" + (len(data) + 4).to_bytes(4, "little") + b"WEBP" + data
        with Image.open(io.BytesIO(riff)) as single:
            assert np.array_equal(np.asarray(single.convert("RGB")), picture)


def test_a_picture_leaves_nothing_of_the_one_before():
    black, white = Image.new("RGB", (32, 32)), Image.new("RGB", (32, 32), "white")
    alone = encode_pictures([black, white, black], quality=75, method=2)
    _, pictures, _ = played(animation(alone, (32, 32), [0, 10, 20, 30]))
    assert [picture.mean() > 128 for picture in pictures] == [False, True, False]


def test_of_a_generated_clip_it_is_as_small_and_as_faithful_as_libwebps_own_animation():
    grain = np.random.default_rng(0).normal(0, 2, (16, 96, 160, 3))
    clip = np.clip(draw_clip(160, 96, 16) + grain, 0, 255).astype(np.uint8)
    images = [Image.fromarray(frame) for frame in clip]
    ours = animation(encode_pictures(images, quality=75, method=2), (160, 96), range(0, 17 * 125, 125))
    target = io.BytesIO()
    options = {"duration": 125, "quality": 75, "method": 2, "kmin": 0, "kmax": 0}
    images[0].save(target, "WEBP", save_all=True, append_images=images[1:], **options)
    assert psnr(np.stack(played(ours)[1]), clip) >= psnr(np.stack(played(target.getvalue())[1]), clip)
    assert len(ours) <= 1.05 * len(target.getvalue())


def test_pictures_that_need_more_than_the_plain_format_are_refused():
    transparent = encode_pictures([Image.new("RGBA", (8, 8), (0, 0, 0, 0))], quality=75, method=2)
    with pytest.raises(ValueError, match="plain lossy WebP"):
        animation(transparent, (8, 8), [0, 100])

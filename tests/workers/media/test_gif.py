"""Gif files: palette, timing and comments."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from tests.workers.media.clips import RATES, SETTINGS, decode, draw_clip, encode, psnr


def test_gif_plays_for_ever_from_one_palette(tmp_path):
    path = encode(tmp_path, "gif", draw_clip(96, 64, 12), fps=24, metadata=SETTINGS)
    with Image.open(path) as image:
        assert image.info["loop"] == 0
    data = path.read_bytes()
    tables = [block for block in gif_pictures(data) if block["own_table"]]
    assert data[10] & 0x80
    assert tables == []


def gif_pictures(data: bytes) -> list[dict]:
    """Return, for each image block of a gif, whether it has its own colour table."""
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
    """A clip turns from red to blue: a palette of its first frame would lack blue."""
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    red, blue = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)
    red[..., 0], blue[..., 2] = ramp, ramp
    decoded = decode(encode(tmp_path, "gif", [red] * 4 + [blue] * 4))
    assert psnr(decoded[-1], blue) > 33

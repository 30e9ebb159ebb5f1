"""Covers: the JPEG that link previews show."""

import io

import pytest
from PIL import Image

from auravideo.core.media.covers import COVER_SIZE, cover
from tests.factories import a_picture


def made(width: int, height: int) -> Image.Image:
    return Image.open(io.BytesIO(cover(a_picture(width, height))))


@pytest.mark.parametrize(("width", "height"), [(64, 64), (1024, 576), (90, 160), (2, 500)])
def test_the_whole_clip_is_in_the_middle_and_the_rest_is_a_dim_backdrop(width, height):
    found = made(width, height)
    assert (found.size, found.mode) == (COVER_SIZE, "RGB")
    shown = min(COVER_SIZE[0] / width, COVER_SIZE[1] / height) * width
    for side, colour in ((-1, 0), (1, 2)):  # red on the left, blue on the right
        at = round(600 + side * shown * 0.3), 315
        pixel = found.getpixel(at)
        if shown > 20:
            assert pixel[colour] > 200 > 80 > sum(pixel) - pixel[colour]
    if shown < 1100:
        assert max(found.getpixel((5, 5))) < 140


def test_a_picture_with_transparency_and_other_formats_are_read_too():
    file = io.BytesIO()
    Image.new("RGBA", (32, 32), (0, 255, 0, 128)).save(file, "PNG")
    assert cover(file.getvalue()).startswith(b"\xff\xd8\xff")

"""Cover pictures of clips for link previews on other sites, most of which show neither WebP nor other shapes."""

import io

from PIL import Image, ImageFilter, ImageOps

# What Facebook recommends and everyone shows: https://developers.facebook.com/docs/sharing/webmasters/images
COVER_SIZE = (1200, 630)  # width, height in pixels
_SMALL = (120, 63)  # the backdrop is blurred anyway, and a small picture is blurred a hundred times faster
_QUALITY = 85
_DARKEN = 0.45  # of the backdrop's brightness, so that the clip stands out


def cover(picture: bytes) -> bytes:
    """Return a JPEG of `COVER_SIZE`: the whole picture in the middle, and itself as a dim, blurred backdrop.

    Args:
        picture: a still image in any format that Pillow reads. The caller vouches for it: its size is not bounded here.
    """
    with Image.open(io.BytesIO(picture)) as opened:
        clip = opened.convert("RGB")
    backdrop = ImageOps.fit(clip, _SMALL).filter(ImageFilter.GaussianBlur(4))
    canvas = backdrop.point(lambda value: round(value * _DARKEN)).resize(COVER_SIZE, Image.Resampling.BICUBIC)
    clip = ImageOps.contain(clip, COVER_SIZE)
    canvas.paste(clip, ((canvas.width - clip.width) // 2, (canvas.height - clip.height) // 2))
    found = io.BytesIO()
    canvas.save(found, "JPEG", quality=_QUALITY, progressive=True)
    return found.getvalue()

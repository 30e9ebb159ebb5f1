"""Drawn clips and decoded files for the media tests."""

from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageSequence

from workers import media

SIZES = [(456, 256), (256, 456), (128, 128), (1000, 562)]
RATES = [8, 16, 24, 25, 30, 32]
CODECS = {"mp4": "h264", "webm": "vp9", "gif": "gif"}
SETTINGS = {
    "prompt": 'a "red" heart ❤️ rising\nover the sea, süß, 心, \u2028, \x7f \\ </script>',
    "seed": 2**63 - 1,
    "guidance": 7.5,
    "motion_loras": [["zoom-in", 0.8]],
    "negative_prompt": "",
    "quality": None,
}


def draw_clip(width: int, height: int, count: int) -> np.ndarray:
    """Return a disc moving over a gradient: uint8 [count, height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    background = np.stack([x / width * 200 + 20, y / height * 180 + 30, 255 - x / width * 120 - y / height * 100], -1)
    clip = np.repeat(background.astype(np.uint8)[None], count, axis=0)
    for index, frame in enumerate(clip):
        centre = width * (0.25 + 0.5 * index / count)
        frame[(x - centre) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 6) ** 2] = (220, 40, 50)
    return clip


def decode(path: Path, only: int | None = None) -> np.ndarray:
    """Return a video's frames as uint8 [F, H, W, 3], or `only` one of them, [H, W, 3]."""
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
    """Convert with our own arithmetic (ITU-R BT.709-6, item 3), so that no library's inverse hides its own error."""
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


def encode(tmp_path: Path, format: str, frames=None, *, fps: int = 8, **about) -> Path:
    path = tmp_path / f"clip.{format}"
    media.encode(draw_clip(64, 48, 8) if frames is None else frames, path, fps=fps, format=format, **about)
    return path

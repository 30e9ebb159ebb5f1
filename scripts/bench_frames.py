"""Bytes and seconds per frame between the stages, by encoding and by wire: `make bench-frames`.

The frames of every boundary are encoded and decoded by each candidate. What a wire adds is calculated from the bytes.
The local folder and an S3 server on loopback are measured through the frame store.
"""

import argparse
import io
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np

WIRES = {"10 Gbit/s": 10e9 / 8, "1 Gbit/s": 1e9 / 8, "100 Mbit/s": 100e6 / 8}
ROUNDS = 2
JOB = "00000000-0000-4000-8000-000000000000"
CHUNKS, PREVIEWS = 3, 4  # of a default clip
FILE_SIZES = (400_000, 20_000, 100_000, 10_000)  # bytes of its video, poster, hover preview and thumbnail
GRAIN = 2.0  # standard deviation of the noise of a generated picture, in grey levels


@dataclass(frozen=True)
class Boundary:
    """Frames that pass from one stage to the next. A few are enough: all costs are per frame."""

    name: str
    frames: int
    side: int
    enlarged: int = 1  # upscaled frames have less detail per pixel


BOUNDARIES = (
    Boundary("generated, 512x512", 9, 512),
    Boundary("upscaled to 1024x1024", 5, 1024, 2),
    Boundary("upscaled to 2048x2048", 3, 2048, 4),
)


@dataclass(frozen=True)
class Encoding:
    name: str
    encode: Callable[[np.ndarray], bytes]
    decode: Callable[[bytes, tuple[int, ...]], np.ndarray]


def picture(boundary: Boundary, seed: int = 0) -> np.ndarray:
    """Return moving frames with the detail of a photograph (octaves of noise) and grain, uint8 [F, S, S, 3]."""
    rng, side = np.random.default_rng(seed), boundary.side // boundary.enlarged
    canvas_side = side + 2 * boundary.frames
    canvas = np.zeros((canvas_side, canvas_side, 3), np.float32)
    cells = 4
    while cells < canvas_side:
        layer = rng.normal(0, 90 / cells**0.5, (cells, cells, 3)).astype(np.float32)
        canvas += _enlarge(layer, canvas_side)
        cells *= 2
    canvas += 128
    small = np.stack([canvas[2 * n : 2 * n + side, n : n + side] for n in range(boundary.frames)])
    small += rng.normal(0, GRAIN, small.shape).astype(np.float32)
    frames = np.clip(small, 0, 255).astype(np.uint8)
    if boundary.enlarged == 1:
        return frames
    large = [_enlarge(frame.astype(np.float32), boundary.side) for frame in frames]
    return np.clip(np.stack(large), 0, 255).astype(np.uint8)


def _enlarge(image: np.ndarray, side: int) -> np.ndarray:
    """Enlarge [h, w, 3] linearly to [side, side, 3]."""
    for axis in (0, 1):
        count = image.shape[axis]
        places = np.clip((np.arange(side) + 0.5) * count / side - 0.5, 0, count - 1)
        low = np.floor(places).astype(int)
        high, weight = np.minimum(low + 1, count - 1), (places - low).astype(np.float32)
        weight = weight[:, None, None] if axis == 0 else weight[None, :, None]
        image = np.take(image, low, axis) * (1 - weight) + np.take(image, high, axis) * weight
    return image


def plain() -> Encoding:
    from safetensors.numpy import load, save

    return Encoding("safetensors", lambda frames: save({"frames": frames}), lambda data, _shape: load(data)["frames"])


def zstd(level: int, threads: int = 0, *, differences: bool = False) -> Encoding:
    """Return Zstandard, optionally over the differences between frames (modulo 256)."""
    import zstandard

    def encode(frames: np.ndarray) -> bytes:
        if differences:
            frames = np.concatenate([frames[:1], frames[1:] - frames[:-1]])
        return zstandard.ZstdCompressor(level=level, threads=threads).compress(np.ascontiguousarray(frames).data)

    def decode(data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        frames = np.frombuffer(zstandard.ZstdDecompressor().decompress(data), np.uint8).reshape(shape)
        return np.cumsum(frames, axis=0, dtype=np.uint8) if differences else frames

    name = f"zstd {level}" + (", differences" if differences else "") + (f", {threads} threads" if threads else "")
    return Encoding(name, encode, decode)


def video(codec: str, pixels: str, options: dict[str, str], container: str) -> Encoding:
    """Return a lossless video codec."""

    def encode(frames: np.ndarray) -> bytes:
        target = io.BytesIO()
        with av.open(target, "w", format=container) as file:
            stream: Any = file.add_stream(codec, rate=24, options=options)
            stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pixels
            for frame in frames:
                file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format=pixels)))
            file.mux(stream.encode())
        return target.getvalue()

    def decode(data: bytes, _shape: tuple[int, ...]) -> np.ndarray:
        with av.open(io.BytesIO(data), "r") as file:
            return np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])

    return Encoding(codec, encode, decode)


def encodings() -> list[Encoding]:
    return [
        plain(),
        zstd(1),
        zstd(3),
        zstd(1, threads=os.cpu_count() or 1),
        zstd(1, differences=True),
        video("libx264rgb", "rgb24", {"qp": "0", "preset": "ultrafast"}, "matroska"),
        video("ffv1", "bgr0", {"level": "3"}, "matroska"),
    ]


def best(work: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def compare(boundary: Boundary) -> None:
    """Print one boundary's table: for every encoding its size, its speed, and the time per frame on each wire."""
    frames = picture(boundary)
    head = "".join(f"{wire:>14}" for wire in WIRES)
    print(f"\n{boundary.name}: {boundary.frames} frames of {frames[0].nbytes / 2**20:.2f} MiB; milliseconds per frame")
    print(f"{'encoding':<22}{'size':>8}{'encode':>10}{'decode':>10}{head}")
    for encoding in encodings():
        data = encoding.encode(frames)
        if not np.array_equal(encoding.decode(data, frames.shape), frames):
            raise RuntimeError(f"{encoding.name} is not lossless")
        seconds = [best(lambda: encoding.encode(frames)), best(lambda: encoding.decode(data, frames.shape))]  # noqa: B023
        encode, decode = (1000 * value / len(frames) for value in seconds)
        wires = [encode + decode + 2 * 1000 * len(data) / len(frames) / speed for speed in WIRES.values()]
        times = "".join(f"{value:>14.1f}" for value in wires)
        print(f"{encoding.name:<22}{len(data) / frames.nbytes:>8.2f}{encode:>10.2f}{decode:>10.2f}{times}", flush=True)


def through_the_store(boundary: Boundary) -> None:
    """Print what the frame store itself takes for a chunk: written by one stage and read by the next."""
    from workers import frame_store

    frames = picture(boundary)
    key = frame_store.write_chunk(JOB, "generate", 0, frames, 8)
    write = best(lambda: frame_store.write_chunk(JOB, "generate", 0, frames, 8))
    read = best(lambda: frame_store.read_chunk(key))
    frame_store.delete_job(JOB)
    speeds = [f"{frames.nbytes / seconds / 2**20:.0f} MiB/s" for seconds in (write, read)]
    ms = [1000 * seconds / len(frames) for seconds in (write, read)]
    print(f"{boundary.name:<22} written in {ms[0]:.2f} ms per frame ({speeds[0]}), read in {ms[1]:.2f} ({speeds[1]})")


def default_clip() -> None:
    """Print what all transfers of a default clip take (2 s, 24 fps, 256x256 from 64x64), one stage after the other."""
    from django.core.files.base import ContentFile
    from django.core.files.storage import storages

    from generation.domain import storage_keys
    from workers import frame_store, transfers

    rng, files = np.random.default_rng(0), storage_keys.video_files(JOB, "mp4").values()
    base, middle, final = (
        rng.integers(0, 256, (count, side, side, 3), np.uint8) for count, side in ((7, 64), (17, 64), (17, 256))
    )
    write = frame_store.write_chunk

    def render() -> None:
        keys = transfers.together([partial(write, JOB, "generate", n, base, 8) for n in range(CHUNKS)], transfers.once)
        for _ in range(PREVIEWS):
            frame_store.write_preview(JOB, bytes(60_000))
        for number, key in enumerate(keys):
            frame_store.read_chunk(key)
            frame_store.read_chunk(write(JOB, "interpolate", number, middle, 24))
            write(JOB, "upscale", number, final, 24)
        finished = [storage_keys.chunk(JOB, "upscale", number) for number in range(CHUNKS)]
        for _clip in transfers.ahead(frame_store.read_chunk, finished, transfers.once):
            pass
        moves = [
            partial(storages["default"].save, name, ContentFile(os.urandom(size)))
            for name, size in zip(files, FILE_SIZES, strict=True)
        ]
        transfers.together(moves, transfers.once)

    seconds = best(render)
    frame_store.delete_job(JOB)
    print(f"all transfers of a default clip: {seconds:.2f} s")


def measure_stores() -> None:
    """Measure the frame store in a local folder, then on an S3 server on loopback."""
    import django
    from django.conf import settings
    from django.test.utils import override_settings

    home = Path(tempfile.mkdtemp(prefix="auravideo-bench-"))
    os.environ["AURAVIDEO_HOME"], os.environ["DJANGO_SETTINGS_MODULE"] = str(home / "home"), "auravideo.settings"
    django.setup()
    from tests.conftest import s3_storage
    from tests.rigs import s3_server

    with s3_server.running(home / "weed") as server:
        s3 = s3_storage(server, server.make_bucket())
        stores = {"a local folder": settings.STORAGES["frames"], "S3 on loopback": s3}
        for name, store in stores.items():
            print(f"\nThrough the frame store, {name}")
            with override_settings(STORAGES={**settings.STORAGES, "default": store, "frames": store}):
                for boundary in BOUNDARIES:
                    through_the_store(boundary)
                default_clip()


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure how frames travel between stages.")
    parser.add_argument(
        "--only", default="", metavar="TEXT", help="boundaries whose name contains this; none: the stores"
    )
    only = parser.parse_args().only
    chosen = [boundary for boundary in BOUNDARIES if only in boundary.name]
    for boundary in chosen:
        compare(boundary)
    if not only or not chosen:
        measure_stores()


if __name__ == "__main__":
    main()

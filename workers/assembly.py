"""The last stage: encodes finished frames to a video, poster, hover preview and thumbnail in permanent storage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from django.core.files import File
from django.core.files.storage import storages

from auravideo.core.media.video_metadata import settings_for
from auravideo.core.metrics import traffic
from generation.domain import storage_keys
from generation.domain.plan import Chunk, Plan
from generation.models import Job
from workers import media, transfers
from workers.encoding import parts
from workers.engines.base import OnStep

Clips = Callable[[Sequence[Chunk]], Iterator[np.ndarray]]
Ready = Callable[[parts.Span], parts.Part | None]


def build(
    job: Job,
    plan: Plan,
    clips: Clips,
    folder: Path,
    on_step: OnStep,
    again: transfers.Again[str] = transfers.once,
    ready: Ready = lambda _span: None,
) -> dict:
    """Encode and store the files of `job`.

    Args:
        clips: returns a fresh iterator over the finished frames of some chunks, uint8 [F, H, W, 3] each.
        folder: where files are written before they are stored.
        again: what to do about a transfer that failed because the storage does not work; by default, try it once more.
        ready: returns a segment that was encoded before, if it is there; its frames are not asked for.
    Returns:
        names in the default storage (`video`, `poster`, `preview`, `thumbnail`), `size` in bytes, and the probed
            `width`, `height`, `frames` and the `fps`.
    """
    request = job.render_request
    files = {kind: folder / name for kind, name in storage_keys.video_file_names(request.format).items()}
    video = files["video"]
    reel = _Reel(plan, request.format, clips, ready, on_step)
    pictures = reel.pictures
    about: dict[str, Any] = {"metadata": settings_of(job), "created": job.queued_at}
    if request.format in media.IN_SEGMENTS:
        media.join(reel.segments(), video, fps=plan.fps, format=request.format, **about)
    else:
        media.encode(reel.frames(), video, fps=plan.fps, format=request.format, **about)
    if pictures.middle is None:
        raise ValueError(f"the clip ended before its middle, frame {plan.frames // 2}")
    found = _probe_beside_images(files, pictures, pictures.middle)
    if (found.width, found.height, found.frames) != (plan.width, plan.height, plan.frames):
        raise ValueError(f"the file holds {found}, the plan says {plan}")
    keys = storage_keys.video_files(job.pk, request.format)
    stored = transfers.together([partial(_store, keys[kind], path) for kind, path in files.items()], again)
    names = dict(zip(files, stored, strict=True))
    return {
        **names,
        "size": video.stat().st_size,
        "width": found.width,
        "height": found.height,
        "frames": found.frames,
        "fps": plan.fps,
    }


class _Reel:
    """A single pass over a clip, in encoded segments or in frames; keeps what the images are made from."""

    def __init__(self, plan: Plan, format: str, clips: Clips, ready: Ready, on_step: OnStep) -> None:
        self.plan, self.format, self.clips, self.ready, self.on_step = plan, format, clips, ready, on_step
        self.pictures = parts.Pictures(plan)
        self._done = 0

    def segments(self) -> Iterator[media.Segment]:
        for span in parts.spans(self.plan):
            part = self.ready(span)
            if part is None:
                part = parts.make(self.plan, self.format, span, self._told(span.chunks))
            else:
                self._step(span.frames)
            self.pictures.add(part)
            yield part.segment

    def frames(self) -> Iterator[np.ndarray]:
        """Yield frames, uint8 [H, W, 3]."""
        index = 0
        for clip in self._told(self.plan.chunks):
            for frame in media.resize_and_crop(clip, self.plan.width, self.plan.height):
                self.pictures.keep(index, frame)
                index += 1
                yield frame

    def _told(self, chunks: Sequence[Chunk]) -> Iterator[np.ndarray]:
        for clip in self.clips(chunks):
            yield clip
            self._step(len(clip))

    def _step(self, frames: int) -> None:
        self._done += frames
        self.on_step(self._done, self.plan.frames, None)


def _probe_beside_images(files: Mapping[str, Path], pictures: parts.Pictures, middle: np.ndarray) -> media.Probe:
    """Write the images while the video is decoded: FFmpeg and Pillow let go of the interpreter meanwhile."""
    clip = {"fps": pictures.plan.fps, "every": pictures.every, "count": pictures.plan.frames}
    works: list[Callable[[], object]] = [
        partial(media.poster, middle, files["poster"]),
        partial(media.thumbnail, middle, files["thumbnail"]),
        partial(media.hover_preview, pictures.small, files["preview"], **clip),
    ]
    with ThreadPoolExecutor(len(works), thread_name_prefix="images") as pool:
        images = [pool.submit(work) for work in works]
        found = media.probe(files["video"])
    for image in images:
        image.result()
    return found


def settings_of(job: Job) -> dict:
    """Return the metadata to embed, so that the file alone suffices to reproduce it: the request with its seed."""
    return settings_for(job.stored_request)


def discard(job: Job) -> None:
    """Delete what `build` stored for a job that was cancelled in the meantime."""
    for key in storage_keys.video_files(job.pk, job.request["format"]).values():
        storages["default"].delete(key)


def _store(key: str, path: Path) -> str:
    """Store a file and return its name, which the storage changes if the key is taken."""
    with path.open("rb") as stream, traffic.counted("default", traffic.WRITE, path.stat().st_size):
        return storages["default"].save(key, File(stream))

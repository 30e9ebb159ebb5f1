"""The last stage: encodes finished frames to a video, poster, hover preview and thumbnail in permanent storage."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from django.core.files import File
from django.core.files.storage import storages

from auravideo.core.media.formats import CARD_BOX, HOVER_FPS
from auravideo.core.media.video_metadata import settings_for
from auravideo.core.metrics import traffic
from generation.domain import storage_keys
from generation.domain.plan import Plan
from generation.models import Job
from workers import media, transfers
from workers.engines.base import OnStep


def build(
    job: Job,
    plan: Plan,
    clips: Callable[[], Iterator[np.ndarray]],
    folder: Path,
    on_step: OnStep,
    again: transfers.Again[str] = transfers.once,
) -> dict:
    """Encode and store the files of `job`.

    Args:
        clips: returns a fresh iterator over the finished frames at each call, as chunks uint8 [F, H, W, 3].
        folder: where files are written before they are stored.
        again: what to do about a transfer that failed because the storage does not work; by default, try it once more.
    Returns:
        names in the default storage (`video`, `poster`, `preview`, `thumbnail`), `size` in bytes, and the probed
            `width`, `height`, `frames` and the `fps`.
    """
    request = job.render_request
    files = {kind: folder / name for kind, name in storage_keys.video_file_names(request.format).items()}
    video = files["video"]
    reel = _Reel(plan, clips, on_step)
    metadata, made = settings_of(job), job.queued_at
    media.encode(reel.play(), video, fps=plan.fps, format=request.format, metadata=metadata, created=made)
    if reel.middle is None:
        raise ValueError(f"the clip ended before its middle, frame {plan.frames // 2}")
    media.poster(reel.middle, files["poster"])
    media.thumbnail(reel.middle, files["thumbnail"])
    media.hover_preview(reel.small, files["preview"], reel.small_fps)
    found = media.probe(video)
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
    """A single pass over the finished frames at output size; keeps the middle frame and some small copies."""

    def __init__(self, plan: Plan, clips: Callable[[], Iterator[np.ndarray]], on_step: OnStep) -> None:
        self.plan, self.clips, self.on_step = plan, clips, on_step
        self.every = max(1, plan.fps // HOVER_FPS)
        self.small: list[np.ndarray] = []
        self.middle: np.ndarray | None = None

    @property
    def small_fps(self) -> int:
        return self.plan.fps // self.every

    def play(self) -> Iterator[np.ndarray]:
        """Yield frames, uint8 [H, W, 3]."""
        done = 0
        for clip in self.clips():
            for frame in media.resize_and_crop(clip, self.plan.width, self.plan.height):
                self._keep(done, frame)
                done += 1
                yield frame
            self.on_step(done, self.plan.frames, None)

    def _keep(self, index: int, frame: np.ndarray) -> None:
        if index == self.plan.frames // 2:
            self.middle = frame
        if index % self.every == 0:
            scale = min(1.0, CARD_BOX[0] / frame.shape[1])
            height = max(1, round(frame.shape[0] * scale))
            self.small.append(media.resize_and_crop(frame[None], round(frame.shape[1] * scale), height)[0])


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

"""The last stage: finished frames become a video file, a poster and a hover preview in permanent storage."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from django.core.files import File
from django.core.files.storage import storages

from generation.domain.plan import Plan
from generation.models import Job
from workers import media
from workers.engines.base import OnStep

SETTINGS_VERSION = 1
HOVER_FPS = 8
HOVER_WIDTH = 320  # pixels


def build(job: Job, plan: Plan, clips: Callable[[], Iterator[np.ndarray]], folder: Path, on_step: OnStep) -> dict:
    """Encode and store the files of `job`.

    Args:
        clips: gives the finished frames anew at each call, as chunks uint8 [F, H, W, 3].
        folder: where the files are made before they are stored.
    Returns:
        names in the default storage (`video`, `poster`, `preview`, `thumbnail`), `size` in bytes, and what the file
        really holds (`width`, `height`, `frames`, `fps`), probed.
    """
    request = job.render_request
    video = folder / f"video.{request.format}"
    reel = _Reel(plan, clips, on_step)
    media.encode(reel.play(), video, fps=plan.fps, format=request.format, metadata=settings_of(job))
    if reel.middle is None:
        raise ValueError(f"the clip ended before its middle, frame {plan.frames // 2}")
    media.poster(reel.middle, folder / "poster.webp")
    media.thumbnail(reel.middle, folder / "thumbnail.webp")
    media.hover_preview(reel.small, folder / "preview.webp", reel.small_fps)
    found = media.probe(video)
    if (found.width, found.height, found.frames) != (plan.width, plan.height, plan.frames):
        raise ValueError(f"the file holds {found}, the plan says {plan}")
    names = {kind: _store(job, path) for kind, path in _files(folder, video).items()}
    return {
        **names,
        "size": video.stat().st_size,
        "width": found.width,
        "height": found.height,
        "frames": found.frames,
        "fps": plan.fps,
    }


class _Reel:
    """The finished frames at their exact size, played once; keeps the middle one and a small copy of some."""

    def __init__(self, plan: Plan, clips: Callable[[], Iterator[np.ndarray]], on_step: OnStep) -> None:
        self.plan, self.clips, self.on_step = plan, clips, on_step
        self.every = max(1, plan.fps // HOVER_FPS)
        self.small: list[np.ndarray] = []
        self.middle: np.ndarray | None = None

    @property
    def small_fps(self) -> int:
        return self.plan.fps // self.every

    def play(self) -> Iterator[np.ndarray]:
        """uint8 [H, W, 3] each."""
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
            scale = min(1.0, HOVER_WIDTH / frame.shape[1])
            height = max(1, round(frame.shape[0] * scale))
            self.small.append(media.resize_and_crop(frame[None], round(frame.shape[1] * scale), height)[0])


def settings_of(job: Job) -> dict:
    """What the file carries in its metadata, so that it alone can be made again: the request, with its seed."""
    return {"auravideo": SETTINGS_VERSION, "request": {**job.request, "seed": job.seed}}


def discard(job: Job) -> None:
    """Delete what `build` stored for a job that was cancelled meanwhile."""
    for name in (f"video.{job.request['format']}", "poster.webp", "preview.webp", "thumbnail.webp"):
        storages["default"].delete(f"videos/{job.pk}/{name}")


def _files(folder: Path, video: Path) -> dict[str, Path]:
    return {"video": video, **{kind: folder / f"{kind}.webp" for kind in ("poster", "preview", "thumbnail")}}


def _store(job: Job, path: Path) -> str:
    with path.open("rb") as stream:
        return storages["default"].save(f"videos/{job.pk}/{path.name}", File(stream))

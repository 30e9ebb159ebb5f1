"""The last stage: finished frames become a video file, a poster and a hover preview in permanent storage."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from django.core.files import File
from django.core.files.storage import storages

from generation.models import Job
from generation.plan import Plan
from workers import media
from workers.engines.base import OnStep

SETTINGS_VERSION = 1
HOVER_FRAMES = 24


def build(job: Job, plan: Plan, clips: Callable[[], Iterator[np.ndarray]], folder: Path, on_step: OnStep) -> dict:
    """Encode and store the files of `job`.

    Args:
        clips: gives the finished frames anew at each call, as chunks uint8 [F, H, W, 3].
        folder: where the files are made before they are stored.
    Returns:
        names in the default storage (`video`, `poster`, `preview`), `size` in bytes, and what the file really holds
        (`width`, `height`, `frames`, `fps`), probed.
    """
    request = job.render_request
    video = folder / f"video.{request.format}"
    hover: list[np.ndarray] = []
    keep_every = max(1, plan.frames // HOVER_FRAMES)

    def finished() -> Iterator[np.ndarray]:
        done = 0
        for clip in clips():
            for frame in media.resize_and_crop(clip, plan.width, plan.height):
                if done % keep_every == 0:
                    hover.append(frame)
                done += 1
                yield frame
            on_step(done, plan.frames)

    media.encode(finished, video, fps=plan.fps, format=request.format, metadata=settings_of(job))
    hover = hover[: -(-plan.frames // keep_every)]
    media.poster(hover[len(hover) // 2], folder / "poster.webp")
    media.hover_preview(hover, folder / "preview.webp", plan.fps / keep_every)
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


def settings_of(job: Job) -> dict:
    """What the file carries in its metadata, so that it alone can be made again: the request, with its seed."""
    return {"auravideo": SETTINGS_VERSION, "request": {**job.request, "seed": job.seed}}


def _files(folder: Path, video: Path) -> dict[str, Path]:
    return {"video": video, "poster": folder / "poster.webp", "preview": folder / "preview.webp"}


def _store(job: Job, path: Path) -> str:
    with path.open("rb") as stream:
        return storages["default"].save(f"videos/{job.pk}/{path.name}", File(stream))

"""Every key of the storages: where the frames of a job and the files of its video are. Pure.

In the storage `frames`, while the job is rendered:

    jobs/<job>/<stage>/<chunk>.safetensors   one chunk of frames
    jobs/<job>/preview.webp                  the live preview

In the storage `default`, for good:

    videos/<job>/video.<format>, poster.webp, preview.webp (on hover), thumbnail.webp

Files of earlier versions are found under the same keys, so a key never changes. No other module spells one
(tests/architecture/test_storage_keys.py).
"""

import re
from collections.abc import Mapping

JOBS = "jobs"
VIDEOS = "videos"
CHUNK_SUFFIX = ".safetensors"
PICTURES: Mapping[str, str] = {"poster": "poster.webp", "preview": "preview.webp", "thumbnail": "thumbnail.webp"}
_LIVE_PREVIEW = "preview.webp"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*")


def is_name(name: str) -> bool:
    """Return whether `name` can be one part of a key."""
    return _NAME.fullmatch(name) is not None


def frames_folder(job_id: object) -> str:
    """Return the folder of everything that is stored while a job is rendered.

    Raises:
        ValueError: `job_id` cannot be part of a key; so for every function here that takes a name.
    """
    return f"{JOBS}/{_checked(str(job_id))}"


def stage_folder(job_id: object, stage: str) -> str:
    """Return the folder of the chunks that a stage wrote."""
    return f"{frames_folder(job_id)}/{_checked(stage)}"


def chunk(job_id: object, stage: str, index: int) -> str:
    """Return the key of one chunk of frames. Raises ValueError for a negative `index`, too."""
    if index < 0:
        raise ValueError(f"A chunk's number is 0 or more, not {index}.")
    return f"{stage_folder(job_id, stage)}/{index:04d}{CHUNK_SUFFIX}"


def live_preview(job_id: object) -> str:
    """Return the key of the small animated picture of a clip that is being rendered."""
    return f"{frames_folder(job_id)}/{_LIVE_PREVIEW}"


def job_of(key: str) -> str:
    """Return the id of the job that a key of the frames belongs to. Raises ValueError for any other key."""
    root, job_id, *rest = key.split("/")
    if root != JOBS or not rest:
        raise ValueError(f"{key!r} is not a key of a job's frames.")
    return job_id


def video_folder(job_id: object) -> str:
    """Return the folder of a finished video and its pictures."""
    return f"{VIDEOS}/{_checked(str(job_id))}"


def video_file_names(format: str) -> dict[str, str]:
    """Return the names of the files of a video, by kind: `video`, `poster`, `preview` and `thumbnail`."""
    return {"video": f"video.{_checked(format)}", **PICTURES}


def video_files(job_id: object, format: str) -> dict[str, str]:
    """Return the keys of the files of a video, by kind: `video`, `poster`, `preview` and `thumbnail`."""
    folder = video_folder(job_id)
    return {kind: f"{folder}/{name}" for kind, name in video_file_names(format).items()}


def _checked(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"{name!r} cannot be part of a key.")
    return name

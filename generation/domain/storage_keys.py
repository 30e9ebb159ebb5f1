"""Storage keys of a job's frames and of its video's files. Pure.

In the storage `frames`, while the job is rendering:

    jobs/<job>/<stage>/<chunk>.safetensors      one chunk of frames
    jobs/<job>/segments/<segment>.safetensors   some encoded seconds of the clip
    jobs/<job>/preview.webp                     the live preview
    jobs/<job>/checkpoint.safetensors           where `generate` stopped, while rendering is paused

In the storage `default`, permanently:

    videos/<job>/video.<format>, poster.webp, preview.webp (on hover), thumbnail.webp

Keys never change, because files of earlier versions are stored under them. No other module builds a key
(tests/architecture/test_storage_keys.py).
"""

import re
from collections.abc import Mapping

JOBS = "jobs"
VIDEOS = "videos"
CHUNK_SUFFIX = ".safetensors"
PICTURES: Mapping[str, str] = {"poster": "poster.webp", "preview": "preview.webp", "thumbnail": "thumbnail.webp"}
_LIVE_PREVIEW = "preview.webp"
_SEGMENTS = "segments"
_CHECKPOINT = "checkpoint.safetensors"
_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]*")


def is_name(name: str) -> bool:
    """Return whether `name` is valid as one part of a key."""
    return _NAME.fullmatch(name) is not None


def frames_folder(job_id: object) -> str:
    """Return the folder of everything stored while a job is rendering.

    Raises:
        ValueError: `job_id` is not valid in a key; likewise in every function here that takes a name.
    """
    return f"{JOBS}/{_checked(str(job_id))}"


def stage_folder(job_id: object, stage: str) -> str:
    """Return the folder of the chunks written by a stage."""
    return f"{frames_folder(job_id)}/{_checked(stage)}"


def chunk(job_id: object, stage: str, index: int) -> str:
    """Return the key of one chunk of frames. Also raises ValueError if `index` is negative."""
    if index < 0:
        raise ValueError(f"A chunk's number is 0 or more, not {index}.")
    return f"{stage_folder(job_id, stage)}/{index:04d}{CHUNK_SUFFIX}"


def segment(job_id: object, index: int) -> str:
    """Return the key of one encoded segment. Also raises ValueError if `index` is negative."""
    return chunk(job_id, _SEGMENTS, index)


def live_preview(job_id: object) -> str:
    """Return the key of the small animated preview of a clip that is rendering."""
    return f"{frames_folder(job_id)}/{_LIVE_PREVIEW}"


def checkpoint(job_id: object) -> str:
    """Return the key of what `generate` needs to continue where it stopped."""
    return f"{frames_folder(job_id)}/{_CHECKPOINT}"


def job_of(key: str) -> str:
    """Return the ID of the job that a frames key belongs to. Raises ValueError for any other key."""
    root, job_id, *rest = key.split("/")
    if root != JOBS or not rest:
        raise ValueError(f"{key!r} is not a key of a job's frames.")
    return job_id


def unit_of(key: str) -> tuple[str, int]:
    """Return the stage and the number of a chunk of frames. Raises ValueError for any other key."""
    job_id = job_of(key)
    stage, _slash, name = key.removeprefix(f"{JOBS}/{job_id}/").partition("/")
    if not name.endswith(CHUNK_SUFFIX):
        raise ValueError(f"{key!r} is not the key of a chunk.")
    return stage, int(name.removesuffix(CHUNK_SUFFIX))


def video_folder(job_id: object) -> str:
    """Return the folder of a finished video and its images."""
    return f"{VIDEOS}/{_checked(str(job_id))}"


def video_file_names(format: str) -> dict[str, str]:
    """Return the file names of a video, by kind: `video`, `poster`, `preview` and `thumbnail`."""
    return {"video": f"video.{_checked(format)}", **PICTURES}


def video_files(job_id: object, format: str) -> dict[str, str]:
    """Return the keys of a video's files, by kind: `video`, `poster`, `preview` and `thumbnail`."""
    folder = video_folder(job_id)
    return {kind: f"{folder}/{name}" for kind, name in video_file_names(format).items()}


def _checked(name: str) -> str:
    if not is_name(name):
        raise ValueError(f"{name!r} cannot be part of a key.")
    return name

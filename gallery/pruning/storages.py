"""Leftovers in the storages: frames without a job, files without a video, videos without a file."""

import posixpath
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import timedelta
from uuid import UUID

from django.core.files.storage import Storage, storages
from django.utils import timezone

from auravideo.core.storage import delete_file, delete_folder
from gallery import lifecycle
from gallery.models import Video
from gallery.pruning.findings import Finding
from generation.domain import storage_keys
from generation.domain.states import ACTIVE
from generation.models import Job
from generation.queue import leftovers

AT_ONCE = 200  # folders looked up in one query
# A file of a video is stored before its row, and the job's state may be behind for as long as a database is away.
YOUNG = timedelta(days=1)
_FILES = ("video_file", "poster_file", "preview_file", "thumbnail_file")

Found = Iterator[tuple[str, Finding | None]]


# --- Frames -----------------------------------------------------------------------------------------------------------


def frames(after: str) -> Found:
    """Find the frames of jobs that need none."""
    for names in _folders("frames", storage_keys.JOBS, after):
        reasons = leftovers.reasons(names)
        for name in names:
            size = _size(storages["frames"], storage_keys.frames_folder(name)) if name in reasons else 0
            yield name, Finding(name, reasons[name], size) if name in reasons else None


def delete_frames(found: Finding) -> None:
    if leftovers.reasons([found.name]):  # a retry since then needs them again
        delete_folder(storages["frames"], storage_keys.frames_folder(found.name))
        leftovers.forget(found.name)


# --- Files without a video --------------------------------------------------------------------------------------------


def files(after: str) -> Found:
    """Find files in the folders of videos that belong to no video."""
    storage = storages["default"]
    for names in _folders("default", storage_keys.VIDEOS, after):
        known, busy = _known(names), _busy(names)
        for name in names:
            folder = storage_keys.video_folder(name)
            keys = [] if name in busy else [f"{folder}/{file}" for file in sorted(_listdir(storage, folder)[1])]
            strays = [key for key in keys if key not in known[name] and not _is_young(storage, key)]
            for key in strays:
                size = storage.size(key)
                yield name, Finding(key, "no video has it" if size else "it is empty, and no video has it", size)
            yield name, None


def delete_stray(found: Finding) -> None:
    name = found.name.split("/")[1]
    if found.name not in _known([name])[name]:
        delete_file(storages["default"], found.name)


def _known(names: Iterable[str]) -> dict[str, set[str]]:
    """Return the files that videos have in some folders, by folder."""
    found: dict[str, set[str]] = defaultdict(set)
    videos = Video.objects.order_by()
    for name in names:
        folder = storage_keys.video_folder(name)
        end = folder + "0"  # the character behind the slash, so that an index could answer
        for row in videos.filter(video_file__gte=f"{folder}/", video_file__lt=end).values_list(*_FILES):
            found[name] |= set(row)
    return found


def _busy(names: Iterable[str]) -> set[str]:
    """Return the folders whose job may be storing its video now."""
    ids = [name for name in names if _is_id(name)]
    return {str(pk) for pk in Job.objects.filter(pk__in=ids, status__in=ACTIVE).values_list("pk", flat=True)}


def _is_young(storage: Storage, key: str) -> bool:
    try:
        return storage.get_modified_time(key) > timezone.now() - YOUNG
    except FileNotFoundError:
        return True


# --- Videos without a file --------------------------------------------------------------------------------------------


def broken_videos(after: str) -> Found:
    """Find videos whose file is missing or empty. Only a backup brings them back."""
    videos = Video.objects.order_by("pk").only("pk", "video_file")
    for video in (videos.filter(pk__gt=UUID(after)) if after else videos).iterator():
        name = str(video.pk)
        if not video.video_file.storage.exists(str(video.video_file)):
            yield name, Finding(name, "its file is missing")
        elif not video.video_file.size:
            yield name, Finding(name, "its file is empty")
        else:
            yield name, None


def delete_broken(found: Finding) -> None:
    lifecycle.give_up(Video.objects.filter(pk=found.name))


# --- Helpers ----------------------------------------------------------------------------------------------------------


def _folders(alias: str, root: str, after: str) -> Iterator[list[str]]:
    """Yield the names of the folders below `root`, in order, some at a time, beginning behind `after`."""
    names = sorted(name for name in _listdir(storages[alias], root)[0] if storage_keys.is_name(name) and name > after)
    for start in range(0, len(names), AT_ONCE):
        yield names[start : start + AT_ONCE]


def _listdir(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    try:
        return storage.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):  # object stores have no folders and list nothing
        return [], []


def _size(storage: Storage, folder: str) -> int:
    folders, names = _listdir(storage, folder)
    size = 0
    for name in names:
        try:
            size += storage.size(posixpath.join(folder, name))
        except FileNotFoundError:  # just deleted
            continue
    return size + sum(_size(storage, posixpath.join(folder, name)) for name in folders)


def _is_id(name: str) -> bool:
    try:
        UUID(name)
    except ValueError:
        return False
    return True

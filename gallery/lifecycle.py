"""Everything that may happen to a video as a whole: made by a job, put into the trash, had back, gone for good.

A video goes in two steps. First it is in the trash, where nobody sees it any more, its owner included; after
UNDO_MINUTES a task of the `cpu` queue purges it. What a crash leaves of a purge is a video in the trash whose time is
over, which the next one finds.
"""

import logging
import time
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from auravideo.core import publish
from auravideo.core.storage import delete_file
from gallery.models import GIVEN_UP, Video, VideoQuerySet
from generation.models import Job
from generation.queue import events

log = logging.getLogger(__name__)

TITLE_LENGTH = 80
PURGE_TASK = "gallery.tasks.purge_trash"
PURGE_SECONDS = 20.0  # a task deletes for so long, then makes room for the clips that wait in the same queue


def create(job: Job, output: dict) -> Video:
    """The video of a finished job; `output` is what workers/assembly.py stored."""
    return Video.objects.create(
        user=job.user,
        job=job,
        title=_title(job.request["prompt"]),
        request=job.stored_request,
        width=output["width"],
        height=output["height"],
        frames=output["frames"],
        fps=output["fps"],
        size=output["size"],
        video_file=output["video"],
        poster_file=output["poster"],
        preview_file=output["preview"],
        thumbnail_file=output.get("thumbnail", ""),  # a stage that ended before an update knew of none
    )


def _title(prompt: str) -> str:
    """The prompt's beginning, cut at a word."""
    line = " ".join(prompt.split())
    return line if len(line) <= TITLE_LENGTH else line[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"


# --- The trash --------------------------------------------------------------------------------------------------------


def trash(videos: VideoQuerySet) -> tuple[int, datetime]:
    """Put videos into the trash. Returns how many, and the moment, by which `restore` finds the very same ones."""
    now = timezone.now()
    count = _move(videos.kept(), now)
    if count and not settings.UNDO_MINUTES:
        transaction.on_commit(send_purge)
    return count, now


def restore(videos: VideoQuerySet) -> int:
    """Take videos out of the trash as long as they can be had back; returns how many."""
    return _move(videos.in_trash(), None)


def give_up(videos: QuerySet[Video]) -> int:
    """Delete videos for good, whether they are in the trash or not: gone at once, their files soon after."""
    count = _move(videos.exclude(deleted_at=GIVEN_UP), GIVEN_UP)
    if count:
        transaction.on_commit(send_purge)
    return count


def delete(video: Video) -> bool:
    """Delete one video for good, see `give_up`."""
    return bool(give_up(Video.objects.filter(pk=video.pk)))


@transaction.atomic
def _move(videos: QuerySet[Video], moment: datetime | None) -> int:
    """Pages that show the jobs of these videos are told, since they show the videos, too."""
    jobs: dict[int, list[UUID]] = {}
    for user_id, job_id in videos.order_by().values_list("user_id", "job_id"):
        jobs.setdefault(user_id, []).extend([] if job_id is None else [job_id])
    count = videos.order_by().update(deleted_at=moment)
    for user_id, job_ids in jobs.items():
        transaction.on_commit(partial(events.publish_all, user_id, job_ids))
    return count


# --- Gone for good ----------------------------------------------------------------------------------------------------


def send_purge() -> None:
    """Ask a worker to purge the trash. If the broker is down, the scheduler asks later."""
    publish.attempt(partial(publish.send_task, PURGE_TASK), "the message to purge the trash")


def purge_trash(seconds: float = PURGE_SECONDS) -> bool:
    """Purge the videos whose time in the trash is over, for so long. Returns False when `seconds` were not enough.

    May be interrupted anywhere and run any number of times, also beside itself. A video whose files cannot be deleted
    holds up no other one; it is tried again the next time.
    """
    deadline = time.monotonic() + seconds
    stuck: set[UUID] = set()
    while video := Video.objects.expired().exclude(pk__in=stuck).order_by("deleted_at").first():
        # From now on nobody can have it back, whatever the clocks of other machines say.
        if not Video.objects.expired().filter(pk=video.pk).update(deleted_at=GIVEN_UP):
            continue
        try:
            purge(video)
        except Exception:
            log.exception("Video %s could not be deleted", video.pk)
            stuck.add(video.pk)
        if time.monotonic() > deadline:
            return False
    return True


def purge(video: Video) -> None:
    """Delete the files of a video, then its rows and the record of its job: no file is left that no row points to.

    For videos that nobody can be shown any more: those of `Video.objects.expired()`, and of people who have left.
    """
    for file in video.files:
        delete_file(file.storage, str(file))
    with transaction.atomic():
        Video.objects.filter(pk=video.pk).delete()
        if video.job_id:
            Job.objects.filter(pk=video.job_id).delete()
            transaction.on_commit(partial(events.publish, video.user_id, video.job_id))

"""The life of a video: created from a job, moved to the trash, restored, deleted forever.

Deletion has two steps. A video first goes to the trash, where nobody can watch it, not even its owner; after
UNDO_MINUTES a task on the `cpu` queue purges it. A purge interrupted by a crash leaves an expired video in the trash,
and the next purge picks it up.
"""

import logging
import time
from collections.abc import Collection
from datetime import datetime
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Now

from auravideo.core import clock, publish
from auravideo.core.storage import delete_file
from gallery import stacks
from gallery.models import GIVEN_UP, Video, VideoQuerySet
from gallery.models.video import undo_limit
from generation.batches import variations
from generation.models import Job
from generation.queue import events

logger = logging.getLogger(__name__)

TITLE_LENGTH = 80
PURGE_TASK = "gallery.tasks.purge_trash"
PURGE_SECONDS = 20.0  # time limit of one purge task, so that clips in the same queue get their turn


def create(job: Job, output: dict) -> Video:
    """Create the video of a finished job from `output`, the result of workers/assembly.py."""
    video = Video.objects.create(
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
        thumbnail_file=output.get("thumbnail", ""),  # absent if the stage ran before an upgrade
    )
    # By the database's clock: that of a worker may be wrong, and libraries are in this order.
    Video.objects.filter(pk=video.pk).update(created_at=Now())
    stacks.refresh([video.pk])  # saving it has taken the lock
    return video


def _title(prompt: str) -> str:
    """Return the start of the prompt, cut at a word boundary."""
    line = " ".join(prompt.split())
    return line if len(line) <= TITLE_LENGTH else line[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"


def kept_bytes(user_ids: Collection[int] | None = None) -> dict[int, int]:
    """Return the bytes that users' videos take up, by user; of all users by default.

    What is in the trash counts as long as it can be restored, or a user could exceed their quota by restoring it.
    """
    left = Q(deleted_at=None) | Q(deleted_at__gt=undo_limit())
    videos = Video.objects.filter(left if settings.UNDO_MINUTES else Q(deleted_at=None))
    videos = videos if user_ids is None else videos.filter(user__in=user_ids)
    return dict(videos.order_by().values_list("user").annotate(Sum("size")))


# --- The trash --------------------------------------------------------------------------------------------------------


def trash(videos: VideoQuerySet) -> tuple[int, datetime]:
    """Move videos to the trash. Returns how many, and the timestamp by which `restore` finds exactly these."""
    now = clock.now()
    count = _move(videos.kept(), now)
    if count and not settings.UNDO_MINUTES:
        transaction.on_commit(send_purge)
    return count, now


def restore(videos: VideoQuerySet) -> int:
    """Restore videos from the trash if there is still time. Returns how many."""
    return _move(videos.in_trash(), None)


def give_up(videos: QuerySet[Video]) -> int:
    """Delete videos forever, in the trash or not. They disappear at once, their files soon after. Returns how many."""
    count = _move(videos.exclude(deleted_at=GIVEN_UP), GIVEN_UP)
    if count:
        transaction.on_commit(send_purge)
    return count


def delete(video: Video) -> bool:
    """Delete one video forever, see `give_up`. Returns whether this call did."""
    return bool(give_up(Video.objects.filter(pk=video.pk)))


@transaction.atomic
def _move(videos: QuerySet[Video], moment: datetime | None) -> int:
    """Set `deleted_at`; refresh the stacks, and the pages that show the jobs of these videos, since they show both."""
    stacks.lock(videos.order_by().values_list("user_id", flat=True).distinct())
    jobs: dict[int, list[UUID]] = {}
    found = []
    for video_id, user_id, job_id in videos.order_by().values_list("pk", "user_id", "job_id"):
        found.append(video_id)
        jobs.setdefault(user_id, []).extend([] if job_id is None else [job_id])
    count = videos.order_by().update(deleted_at=moment, is_front=False)
    stacks.refresh(found)
    for user_id, job_ids in jobs.items():
        transaction.on_commit(partial(events.publish_all, user_id, job_ids))
    return count


# --- Purging ----------------------------------------------------------------------------------------------------------


def send_purge() -> None:
    """Ask a worker to purge the trash. If the broker is down, the scheduler asks later."""
    publish.attempt(partial(publish.send_task, PURGE_TASK), "the message to purge the trash")


def purge_trash(seconds: float = PURGE_SECONDS) -> bool:
    """Purge expired videos for up to `seconds`. Returns False if that was not enough time.

    Safe to interrupt, to rerun and to run concurrently. A video whose files cannot be deleted doesn't block the
    others, and is retried on the next run.
    """
    deadline = time.monotonic() + seconds
    stuck: set[UUID] = set()
    while video := Video.objects.expired().exclude(pk__in=stuck).order_by("deleted_at").first():
        # Make it unrestorable, even if the clocks of other machines differ.
        if not Video.objects.expired().filter(pk=video.pk).update(deleted_at=GIVEN_UP):
            continue
        try:
            purge(video)
        except Exception:
            logger.exception("Video %s could not be deleted", video.pk)
            stuck.add(video.pk)
        if time.monotonic() > deadline:
            return False
    return True


def purge(video: Video) -> None:
    """Delete a video's files, then its rows and its job, so that no file is ever left without a row.

    Only for videos that nobody can be shown: those of `Video.objects.expired()`, and those of accounts being deleted.
    """
    for file in video.files:
        delete_file(file.storage, str(file))
    with transaction.atomic():
        Video.objects.filter(pk=video.pk).delete()
        if video.job_id:
            batch_id = Job.objects.filter(pk=video.job_id).values_list("batch", flat=True).first()
            Job.objects.filter(pk=video.job_id).delete()
            variations.forget_empty(batch_id)
            transaction.on_commit(partial(events.publish, video.user_id, video.job_id))

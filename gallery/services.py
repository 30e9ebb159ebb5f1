"""Everything that may happen to a video."""

from functools import partial

from django.db import transaction

from gallery.models import Video
from generation import events
from generation.models import Job

TITLE_LENGTH = 80


def create(job: Job, output: dict) -> Video:
    """The video of a finished job; `output` is what workers/assembly.py stored."""
    return Video.objects.create(
        user=job.user,
        job=job,
        title=_title(job.request["prompt"]),
        request={**job.request, "seed": job.seed},
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


@transaction.atomic
def delete(video: Video) -> None:
    """Delete a video, its files and the record of its job; the files go when the transaction commits."""
    files = video.files
    job = video.job
    video.delete()
    if job is not None:
        transaction.on_commit(partial(events.publish, job.user_id, job.pk))  # before the key is gone with the row
        job.delete()
    for file in files:
        transaction.on_commit(partial(file.storage.delete, file.name), robust=True)


def _title(prompt: str) -> str:
    """The prompt's beginning, cut at a word."""
    line = " ".join(prompt.split())
    return line if len(line) <= TITLE_LENGTH else line[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"

"""The clips of a compare page: those of a batch, with those that still render, or a selection. Read only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import User
from gallery import stacks
from gallery.access import library_of
from gallery.compare.differences import common, differences
from gallery.models import Video
from generation.batches.variations import MAX_COMPARED
from generation.domain.states import ACTIVE, Status
from generation.jobs.fragments import job_context
from generation.jobs.selectors import jobs_of, place_all, video_of
from generation.models import Batch, Job
from generation.templatetags.labels import Fact


@dataclass(frozen=True)
class Clip:
    """One place of the grid: a finished `video`, or a job that has none yet, as the `card` of its partial.

    `key` is the ID of the job, or of the video if it is shown without one: it stays when the job becomes a video.
    """

    key: UUID
    request: Mapping[str, Any]
    video: Video | None = None
    card: Mapping[str, Any] | None = None
    number: int = 0
    differs: Sequence[Fact] = ()

    @property
    def seed(self) -> int | None:
        return self.request.get("seed")

    @property
    def is_draft(self) -> bool:
        return self.request.get("quality") == "draft"


@dataclass(frozen=True)
class Comparison:
    """What a compare page shows. `left_out` is how many more there are than fit."""

    clips: Sequence[Clip] = ()
    left_out: int = 0
    batch: Batch | None = None
    places: Mapping[int, Clip] = field(default_factory=dict)  # by row of the batch

    @property
    def axes(self) -> Sequence[Mapping[str, Any]]:
        """Return the settings that the batch varies, as it stores them: the columns first, then the rows."""
        return self.batch.axes or [] if self.batch else []

    @property
    def table(self) -> list[tuple[Any, list[Clip | None]]]:
        """Return the rows of a labelled grid, each its value (None without a second axis) and its clips."""
        if not self.axes:
            return []
        across, *down = (axis["values"] for axis in self.axes)
        return [
            (value, [self.places.get(row * len(across) + column + 1) for column in range(len(across))])
            for row, value in enumerate(down[0] if down else [None])
        ]

    @property
    def finished(self) -> list[Clip]:
        return [clip for clip in self.clips if clip.video is not None]

    @property
    def news(self) -> list[UUID]:
        """Return the finished jobs whose outcome their owner sees here for the first time."""
        jobs = [clip.video.job for clip in self.finished if clip.video is not None]
        return [job.pk for job in jobs if job is not None and job.is_new]

    @property
    def rendering(self) -> int:
        return sum(clip.card is not None and clip.card["job"].is_active for clip in self.clips)

    @property
    def prompt(self) -> str:
        """Return the prompt of all of them; "" if they have several."""
        return common([clip.request for clip in self.clips], "prompt") or ""

    @property
    def pair(self) -> list[Clip]:
        """Return the two clips for a slider; empty unless there are exactly two, and both are finished."""
        return self.finished if len(self.clips) == 2 == len(self.finished) else []


def of_batch(user: User, batch: Batch) -> Comparison:
    """Return the clips of a user's batch in the order of its rows, without those whose video was deleted."""
    jobs = list(jobs_of(user).filter(batch=batch).order_by("row")[: MAX_COMPARED + 1])
    shown = [job for job in jobs if _is_shown(job)]
    clips = [_of_job(job) for job in place_all(shown[:MAX_COMPARED])]
    left_out = batch.jobs.count() - MAX_COMPARED if len(jobs) > MAX_COMPARED else 0
    numbered = _numbered(clips)
    rows = {job.row: clip for job, clip in zip(shown, numbered, strict=False) if job.row is not None}
    return Comparison(numbered, left_out, batch, rows)


def of_stack(video: Video) -> Comparison:
    """Return the kept clips of a video's stack, the newest first."""
    found = list(stacks.clips_of(video).select_related("job")[: MAX_COMPARED + 1])
    clips = [Clip(one.pk, one.request, video=one) for one in found[:MAX_COMPARED]]
    return Comparison(_numbered(clips), stacks.clips_of(video).count() - MAX_COMPARED if found[MAX_COMPARED:] else 0)


def of_videos(user: User, ids: Sequence[UUID]) -> Comparison:
    """Return those of some videos that are in the user's library, in the given order."""
    found = library_of(user).select_related("job").in_bulk(list(ids[:MAX_COMPARED]))
    clips = [Clip(id, found[id].request, video=found[id]) for id in ids if id in found]
    return Comparison(_numbered(clips), max(0, len(ids) - MAX_COMPARED))


def still_rendering(videos: QuerySet[Video]) -> int:
    """Return how many clips of the same variations as some videos have not ended."""
    batches = Batch.objects.filter(jobs__video__in=videos, axes__isnull=False)
    return Job.objects.filter(batch__in=batches, status__in=ACTIVE).count()


def _is_shown(job: Job) -> bool:
    """Return whether a job has something to show: a video, or a card that its owner has not removed."""
    return video_of(job) is not None or (job.status != Status.DONE and job.removed_at is None)


def _of_job(job: Job) -> Clip:
    video = video_of(job)
    if video is not None:
        video.job = job
        return Clip(job.pk, video.request, video=video)
    return Clip(job.pk, job.stored_request, card=job_context(job))


def _numbered(clips: Sequence[Clip]) -> list[Clip]:
    """Return the clips with their numbers, from 1, and what is different in each."""
    facts = differences([clip.request for clip in clips])
    pairs = zip(clips, facts, strict=True)
    return [
        Clip(clip.key, clip.request, clip.video, clip.card, number, differs)
        for number, (clip, differs) in enumerate(pairs, start=1)
    ]

"""Read-only queries of jobs and their progress."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, OuterRef, Prefetch, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from generation.domain.errors import warning_text
from generation.domain.stages import STAGES
from generation.domain.states import RunStatus, Stage, Status
from generation.jobs import forecast
from generation.jobs.work import StageProgress, Work
from generation.models import Batch, Job, StageRun
from generation.queue import broker, estimates, placement, roster
from generation.queue.loading import times
from generation.queue.pausing import state
from generation.requests import available
from generation.requests.request import InvalidRequest, RenderRequest

_PATIENCE_SECONDS = 2.0  # between two steps, before a clip is said to wait


@dataclass(frozen=True)
class Progress:
    """Progress of a job. Percentages are 0 to 100, `permille` 0 to 1000; `place` counts from 1, None unless queued.

    `eta_seconds` is the time left, or until a clip that waits is ready; if nobody can say when, the time it takes; None
    if an outage holds it up.
    """

    stage: str
    stage_label: str
    stage_percent: int
    permille: int
    place: int | None
    eta_seconds: int | None
    preview_url: str
    stages: tuple[StageProgress, ...]
    held_up: str = ""  # why it waits, if no worker can go on with it, or nobody can hand it on
    is_scheduled: bool = False  # whether `eta_seconds` includes the wait for its turn
    is_paused: bool = False  # by its owner, with their queue
    is_site_paused: bool = False  # with all rendering

    @property
    def percent(self) -> int:
        return self.permille // 10


def jobs_of(user: User) -> QuerySet[Job]:
    """Return a user's jobs, newest first, with stage runs, videos and queue places loaded."""
    return _loaded().filter(user=user)


def _loaded() -> QuerySet[Job]:
    read = ("job_id", "run", "stage", "chunk", "status", "done", "total", "started_at", "is_loading", "load_seconds")
    runs = StageRun.objects.only(*read)
    earlier = Job.objects.filter(user=OuterRef("user"), status=Status.QUEUED, queued_at__lt=OuterRef("queued_at"))
    own = earlier.order_by().values("status").annotate(n=Count("*")).values("n")
    # "video" is the gallery's relation to a job: named here, since generation must not import the gallery.
    found = Job.objects.select_related("video", "batch").prefetch_related(Prefetch("stage_runs", queryset=runs))
    found = found.annotate(paused_at=F("user__queue_paused_at"), site_pauses=state.exists())
    return found.annotate(own_ahead=Case(When(status=Status.QUEUED, then=Coalesce(Subquery(own), 0))))


def video_of(job: Job) -> Any | None:
    """Return a job's video; None if it has none or the video is in the trash."""
    video = getattr(job, "video", None)
    return None if video is None or video.deleted_at else video


def listed_jobs_of(user: User) -> QuerySet[Job]:
    """Return a user's jobs that are still on their list."""
    return jobs_of(user).filter(removed_at=None)


def listed_jobs() -> QuerySet[Job]:
    """Return the jobs of everybody that are still on their owners' lists, loaded like `jobs_of`."""
    return _loaded().filter(removed_at=None)


def has_batches(user: User) -> bool:
    return Batch.objects.filter(user=user).exists()


def progress_of(job: Job) -> Progress:
    """Return the progress of a job, its stages weighted by their estimated time on this machine."""
    try:
        work = Work(job, job.render_plan)
    except InvalidRequest:  # no plan: the job fails with that error
        return Progress("", "", 0, 1000 if job.status == Status.DONE else 0, None, None, "", ())
    total = sum(work.seconds.values()) + sum(loading.weight for loading in work.loading.values())
    stages = tuple(work.stage(stage) for stage in work.plan.stages)
    current = next((stage for stage in stages if stage.state != "done"), stages[-1])
    finished = job.status == Status.DONE
    behind = sum(work.seconds[unit] * work.fraction(unit) for unit in work.seconds)
    share = 1.0 if finished else (behind + sum(loading.behind for loading in work.loading.values())) / total
    preview = reverse("generation:preview", args=[job.pk]) if job.previewed_at and job.is_active else ""
    is_held = _is_held(job, work)
    place, left = place_of(job), None if is_held else _scheduled(job, work)
    is_stuck = job.is_active and bool(work.waiting) and broker.is_away()
    stands = is_stuck or is_held
    return Progress(
        stage=current.id,
        stage_label=_label(job, work, current, left),
        stage_percent=current.percent,
        permille=1000 if finished else min(999, int(share * 1000)),
        place=place,
        eta_seconds=max(1, round(work.left if left is None else left)) if job.is_active and not stands else None,
        preview_url=f"{preview}?v={job.previewed_at}" if preview else "",
        stages=stages,
        held_up=_outage(job) if is_stuck else _held_up(job, work) if job.is_active else "",
        is_scheduled=left is not None,
        is_paused=is_paused(job),
        is_site_paused=is_held,
    )


def _is_held(job: Job, work: Work) -> bool:
    """Return whether a job waits because all rendering is paused."""
    if not job.is_active or work.is_served or state.HELD.isdisjoint(work.waiting):
        return False
    return is_site_paused(job)


def is_site_paused(job: Job) -> bool:
    """Return whether all rendering is paused, as far as is known from reading a job."""
    return bool(job.site_pauses) if hasattr(job, "site_pauses") else state.is_on()


def _scheduled(job: Job, work: Work) -> float | None:
    """Return the seconds until a job is ready whose next step waits for others; None if it does not, or is paused."""
    if not job.is_active or is_paused(job) or work.is_served:
        return None
    place = place_of(job)
    made: forecast.Forecast = getattr(job, "forecast", None) or forecast.present([job])  # noted by `place_all`
    return made.of(job, place or 0)


def _label(job: Job, work: Work, current: StageProgress, left: float | None) -> str:
    """Return what happens to a job now: the stage that is at work, or what it waits for."""
    if not job.is_active:
        return current.label
    if work.is_loading(current.id):
        return _("Loading the model")
    if job.status == Status.QUEUED or (current.id == Stage.GENERATE and not work.has_begun(Stage.GENERATE)):
        return waits_for()
    if left is not None and left > work.left + _PATIENCE_SECONDS:
        return _("Waiting for the next step")
    return current.label


def waits_for() -> str:
    """Return, worded for the user, what a clip waits for until its first step."""
    there = roster.capacity().get(STAGES[Stage.GENERATE].queue)
    if there is None:
        return _("Waiting")
    return _("Waiting for the graphics card") if there.has_card else _("Waiting for the processor")


def is_paused(job: Job) -> bool:
    """Return whether a job waits because its owner has paused their queue."""
    if job.status != Status.QUEUED:
        return False
    paused = job.paused_at if hasattr(job, "paused_at") else job.user.queue_paused_at
    return paused is not None


def _outage(job: Job) -> str:
    """Return what its owner should read while nobody can hand on a job; "" if its warnings say so."""
    warning = {"id": "service-waiting"}
    return "" if warning in job.warnings else warning_text(warning)


def _held_up(job: Job, work: Work) -> str:
    """Return what its owner should read if no worker here can run a stage of a job; "" if all can."""
    missing = placement.nobody_there(work.waiting)
    if missing is None:
        return placement.no_room(job.render_request, work.waiting, work.plan)
    sentences = [placement.without_worker(missing)]
    return " ".join([*sentences, placement.how_to_start(missing)] if job.user.is_staff else sentences)


def place_of(job: Job) -> int | None:
    """Return the place of a queued job in the whole queue, from 1; None unless queued, or if its owner paused it."""
    if job.status != Status.QUEUED or is_paused(job):
        return None
    if not hasattr(job, "place"):
        place_all([job])
    place: int = getattr(job, "place", 0)  # noted by `place_all`
    return place


def place_all(jobs: Iterable[Job]) -> list[Job]:
    """Note the places and the forecast of those of some jobs that wait, in three queries at most. Return the jobs."""
    jobs = list(jobs)
    waiting = [job for job in jobs if _waits(job) and not is_paused(job)]
    made = forecast.present(waiting) if waiting else None
    for job in waiting:
        job.forecast = made  # type: ignore[attr-defined]  # our note
        if made and job.status == Status.QUEUED:
            job.place = made.line.ahead_of(job.user_id, _own_ahead(job)) + 1  # type: ignore[attr-defined]  # our note
    return jobs


def _waits(job: Job) -> bool:
    """Return whether no worker is at a job that has not ended."""
    if job.status != Status.RUNNING:
        return job.status == Status.QUEUED
    return all(run.status != RunStatus.RUNNING for run in job.stage_runs.all())


def _own_ahead(job: Job) -> int:
    """Return how many queued jobs of the same user are served before this one."""
    own = getattr(job, "own_ahead", None)  # annotated by `jobs_of`
    if own is None:
        own = Job.objects.filter(user=job.user_id, status=Status.QUEUED, queued_at__lt=job.queued_at).count()
    return int(own)


def estimate(request: RenderRequest) -> float:
    """Return a request's estimated seconds of work on this machine, with all chunks run in sequence."""
    request_plan = available.plan_for(request)
    return sum(estimates.seconds(stage, chunk, request_plan, request) for stage, chunk in request_plan.units)


def loading_seconds(request: RenderRequest, stages: Iterable[Stage]) -> float:
    """Return how long loading the models of the stages takes that no worker holds, in seconds."""
    return sum(times.expected(stage, request) for stage in stages if placement.is_cold(stage, request))

"""Read-only queries of jobs and their progress."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, OuterRef, Prefetch, QuerySet, Subquery, When
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from generation.domain.plan import Plan
from generation.domain.states import RunStatus, Stage, Status
from generation.models import STAGE_LABELS, Batch, Job, StageRun
from generation.queue import estimates, placement, turns
from generation.queue.loading import ahead, times
from generation.requests import available
from generation.requests.request import InvalidRequest, RenderRequest

NEARLY = 0.95  # the share of the loading that the bar shows at most before it is over
OVERTIME = 0.5  # the share of the time that a model has been loading for that is still expected, at least


@dataclass(frozen=True)
class StageProgress:
    """One stage of a job. `state` is done, running, waiting or failed; `percent` is 0 to 100."""

    id: str
    label: str
    state: str
    percent: int


@dataclass(frozen=True)
class Progress:
    """Progress of a job. Percentages are 0 to 100, `permille` 0 to 1000; `place` counts from 1, None unless queued."""

    stage: str
    stage_label: str
    stage_percent: int
    permille: int
    place: int | None
    eta_seconds: int | None
    preview_url: str
    stages: tuple[StageProgress, ...]
    held_up: str = ""  # why it waits, if no worker can go on with it

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
        work = _Work(job, job.render_plan)
    except InvalidRequest:  # no plan: the job fails with that error
        return Progress("", "", 0, 1000 if job.status == Status.DONE else 0, None, None, "", ())
    total = sum(work.seconds.values()) + sum(loading.weight for loading in work.loading.values())
    stages = tuple(work.stage(stage) for stage in work.plan.stages)
    current = next((stage for stage in stages if stage.state != "done"), stages[-1])
    finished = job.status == Status.DONE
    behind = sum(work.seconds[unit] * work.fraction(unit) for unit in work.seconds)
    share = 1.0 if finished else (behind + sum(loading.behind for loading in work.loading.values())) / total
    preview = reverse("generation:preview", args=[job.pk]) if job.previewed_at and job.is_active else ""
    return Progress(
        stage=current.id,
        stage_label=_("Loading the model") if work.is_loading(current.id) else current.label,
        stage_percent=current.percent,
        permille=1000 if finished else min(999, int(share * 1000)),
        place=place_of(job),
        eta_seconds=max(1, round(work.left)) if job.is_active else None,
        preview_url=f"{preview}?v={job.previewed_at}" if preview else "",
        stages=stages,
        held_up=_held_up(job, work.waiting) if job.is_active else "",
    )


def _held_up(job: Job, waiting: list[Stage]) -> str:
    """Return what its owner should read if no worker here can run a stage of a job; "" if all can."""
    missing = placement.nobody_there(waiting)
    if missing is None:
        return placement.no_room(job.render_request, waiting)
    sentences = [placement.without_worker(missing)]
    return " ".join([*sentences, placement.how_to_start(missing)] if job.user.is_staff else sentences)


def place_of(job: Job) -> int | None:
    """Return the place of a queued job in the whole queue, from 1; None unless queued."""
    if job.status != Status.QUEUED:
        return None
    if not hasattr(job, "place"):
        place_all([job])
    place: int = getattr(job, "place", 0)  # noted by `place_all`
    return place


def place_all(jobs: Iterable[Job]) -> list[Job]:
    """Note the places of the queued ones among some jobs, in one query for all of `jobs_of`. Return the jobs."""
    jobs = list(jobs)
    queued = [job for job in jobs if job.status == Status.QUEUED]
    if queued:
        line = turns.line()
        for job in queued:
            job.place = line.ahead_of(job.user_id, _own_ahead(job)) + 1  # type: ignore[attr-defined]  # our note
    return jobs


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


@dataclass(frozen=True)
class _Loading:
    """Seconds of loading the model of a stage: its weight in the progress, how many are behind, how many are left.

    These do not add up while it takes longer than expected: then the bar stands still, and the time left rises.
    What is loaded ahead has no weight, and only what is left of it after the earlier stages adds to the time left.
    """

    weight: float
    behind: float
    left: float
    is_ahead: bool = False


class _Work:
    """The units of a job's plan, with the estimated seconds and the progress of each, and the models to load."""

    def __init__(self, job: Job, job_plan: Plan) -> None:
        self.job = job
        self.plan = job_plan
        self.request = request = job.render_request
        self.seconds = {unit: estimates.seconds(*unit, job_plan, request) for unit in job_plan.units}
        self.runs: dict[tuple[Stage, int], StageRun] = {}
        for run in job.stage_runs.all():
            unit = (Stage(run.stage), run.chunk)
            if run.status == RunStatus.DONE or (run.run == job.run and not self._is_done(unit)):
                self.runs[unit] = run

        self.loading = {stage: found for stage in job_plan.stages if (found := self._loading(stage)) is not None}

    def _loading(self, stage: Stage) -> _Loading | None:
        """Return what loading the stage's model takes; None if it is warm, or was when the stage began."""
        runs = [run for unit, run in self.runs.items() if unit[0] is stage]
        began = [run.started_at for run in runs if run.is_loading and run.status == RunStatus.RUNNING]
        if took := max((run.load_seconds for run in runs), default=0.0):
            return _Loading(took, took, 0.0)
        request = self.request
        is_past = not began and any(run.total or run.status == RunStatus.DONE for run in runs)
        if not self.job.is_active or is_past or not (began or placement.is_cold(stage, request)):
            return None
        expected = times.expected(stage, request)
        if not began and (note := ahead.look(stage, placement.engine_of(stage, request))):
            if note.is_going_on:
                return _Loading(0.0, 0.0, max(expected - note.elapsed, note.elapsed * OVERTIME), is_ahead=True)
            if note.state is ahead.State.READY:  # the roster says so soon
                return None
        elapsed = max((timezone.now() - min(began)).total_seconds(), 0.0) if began else 0.0
        # One that takes longer than expected goes on for a while: its page should not promise the end for any moment.
        return _Loading(expected, min(elapsed, expected * NEARLY), max(expected - elapsed, elapsed * OVERTIME))

    def is_loading(self, stage: str) -> bool:
        """Return whether a stage loads its model and cannot advance before that."""
        running = [run for unit, run in self.runs.items() if unit[0] == stage and run.status == RunStatus.RUNNING]
        if not running:
            return any(of == stage and loading.is_ahead for of, loading in self.loading.items())
        return all(run.is_loading for run in running)

    @property
    def left(self) -> float:
        """Return the seconds until the job is done."""
        seconds = 0.0
        for stage in self.plan.stages:
            if loading := self.loading.get(stage):
                seconds = max(seconds, loading.left) if loading.is_ahead else seconds + loading.left
            units = [unit for unit in self.seconds if unit[0] is stage]
            seconds += sum(self.seconds[unit] * (1 - self.fraction(unit)) for unit in units)
        return seconds

    def _is_done(self, unit: tuple[Stage, int]) -> bool:
        return unit in self.runs and self.runs[unit].status == RunStatus.DONE

    def fraction(self, unit: tuple[Stage, int]) -> float:
        """Return a unit's progress, 0 to 1."""
        run = self.runs.get(unit)
        if run is None:
            return 0.0
        if run.status == RunStatus.DONE:
            return 1.0
        return min(1.0, run.done / run.total) if run.total and run.status == RunStatus.RUNNING else 0.0

    @property
    def waiting(self) -> list[Stage]:
        """Return the stages with units that no worker has taken yet."""
        taken = {unit for unit, run in self.runs.items() if run.status in (RunStatus.DONE, RunStatus.RUNNING)}
        return list(dict.fromkeys(stage for stage, chunk in self.seconds if (stage, chunk) not in taken))

    def stage(self, stage: Stage) -> StageProgress:
        units = [unit for unit in self.seconds if unit[0] is stage]
        fraction = sum(self.fraction(unit) for unit in units) / len(units)
        states = {self.runs[unit].status for unit in units if unit in self.runs}
        if self.job.status == Status.DONE or (fraction == 1.0 and states == {RunStatus.DONE}):
            return StageProgress(stage, str(STAGE_LABELS[stage]), "done", 100)
        if RunStatus.FAILED in states:
            state = "failed"
        else:
            state = "running" if states & {RunStatus.RUNNING, RunStatus.DONE} and self.job.is_active else "waiting"
        return StageProgress(stage, str(STAGE_LABELS[stage]), state, min(99, int(fraction * 100)))

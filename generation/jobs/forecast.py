"""When active clips will be ready: what is left of all of them, in the order in which the workers will take it."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Case, F, Prefetch, Q, Value, When, Window, prefetch_related_objects
from django.db.models.functions import RowNumber
from django.utils import timezone

from generation.domain import schedule
from generation.domain.plan import Plan
from generation.domain.schedule import Clip, Times, Unit
from generation.domain.stages import STAGES, blocks
from generation.domain.states import ACTIVE, RunStatus, Stage, Status
from generation.jobs.work import Work
from generation.models import Job, StageRun
from generation.queue import estimates, placement, roster, turns
from generation.queue.loading import ahead, times
from generation.requests.request import RenderRequest

MOST = 100  # clips that are simulated; those behind them follow at the same rate
_FRESH_SECONDS = 1.0  # how long a process uses what it has read; pages ask several times a second
_TURNS = STAGES[Stage.GENERATE].queue
_NEXT = "next"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Forecast:
    """The clips of everybody, and when they will be ready, in seconds from the moment of the forecast."""

    line: turns.Line
    clips: list[Clip]
    workers: Sequence[frozenset[str]]  # the queues of each
    served: Mapping[int, float]
    waiting: int  # clips that wait for their turn
    read: frozenset[UUID]
    made_at: float
    times: Mapping[object, Times] = field(default_factory=dict)

    def of(self, job: Job, place: int) -> float | None:
        """Return in how many seconds a job will be ready; None if nobody can say, since no worker is there.

        Args:
            place: of a job that waits, in the whole queue, from 1.
        """
        if not any(_TURNS in queues for queues in self.workers):
            return None
        found = self.times.get(job.pk)
        if found is None and job.status == Status.QUEUED:
            return max(0.0, self._last + self._behind(place) - self._age)
        return None if found is None else max(0.0, found.ready - self._age)

    def next(self, user_id: int, wanted: Sequence[tuple[RenderRequest, Plan]]) -> Times:
        """Return when clips that a user would queue now begin to be generated, and when all of them are ready."""
        left = [_blocks(_units(request, plan), plan, waits=True) for request, plan in wanted]
        own = [Clip((_NEXT, n), user_id, blocks, waits=True) for n, blocks in enumerate(left)]
        # Simulate a part of a large queue, and what is behind it by its rate.
        found = schedule.times([*self.clips, *own], self.workers, _TURNS, self.served)
        further = self._behind(self.line.clips_before(user_id) - self.line.rendering)
        return Times(found[_NEXT, 0].start + further, max(found[clip.key].ready for clip in own) + further)

    def knows(self, job: Job) -> bool:
        return job.pk in self.read or len(self.read) >= MOST

    @property
    def _age(self) -> float:
        return time.monotonic() - self.made_at

    @property
    def _last(self) -> float:
        return max((found.ready for found in self.times.values()), default=0.0)

    def _behind(self, place: int) -> float:
        """Return how long the clips take that are ahead of a place, but were not simulated."""
        waiting = [found.start for found in self.times.values()]
        rate = max(waiting, default=0.0) / max(1, self.waiting)
        return rate * max(0, place - self.waiting)


_kept: Forecast | None = None


def present(jobs: Iterable[Job] = ()) -> Forecast:
    """Return the forecast of now, or the last one if it is fresh and knows these jobs. Three queries at most."""
    global _kept
    kept = _kept
    if kept and kept._age < _FRESH_SECONDS and all(map(kept.knows, jobs)):
        return kept
    _kept = _make()
    return _kept


def forget() -> None:
    """Forget the last forecast. For tests."""
    global _kept
    _kept = None


def _make() -> Forecast:
    line, found = turns.line(), _read()
    now = timezone.now()
    served = {
        user: min(0.0, (since - now).total_seconds()) for user, (since, _) in line.earlier.items() if since > _EPOCH
    }
    clips = [clip for job in found if (clip := _clip_of(job)) is not None]
    workers = roster.crew()
    waiting = sum(clip.waits for clip in clips)
    read = frozenset(job.pk for job in found)
    made = Forecast(line, _loading_ahead(found) + clips, workers, served, waiting, read, time.monotonic())
    made.times = schedule.times(made.clips, workers, _TURNS, served)
    return made


def _read() -> list[Job]:
    """Return those of the active jobs that are served first: rendering ones, then each user's first, second ..."""
    number = Window(RowNumber(), partition_by=[F("user"), F("status")], order_by=F("queued_at").asc())
    rendering_first = Case(When(status=Status.RUNNING, then=Value(0)), default=Value(1))
    jobs = Job.objects.filter(turns.NOT_PAUSED | Q(status=Status.RUNNING), status__in=ACTIVE)
    jobs = jobs.annotate(number=number).order_by(rendering_first, "number", "queued_at")
    found = list(jobs.only("user", "status", "queued_at", "run", "request", "plan")[:MOST])
    fields = ("job_id", "run", "stage", "chunk", "status", "done", "total", "started_at", "is_loading", "load_seconds")
    if rendering := [job for job in found if job.status == Status.RUNNING]:
        prefetch_related_objects(rendering, Prefetch("stage_runs", queryset=StageRun.objects.only(*fields)))
    return sorted(found, key=lambda job: job.queued_at)


# --- What is left of a clip -------------------------------------------------------------------------------------------

_Units = Mapping[tuple[Stage, int], Unit]
_costs: dict[UUID, tuple[RenderRequest, Plan, dict[tuple[Stage, int], float]]] = {}  # of jobs seen lately
_MOST_COSTS = 2000


def _known(job: Job) -> tuple[RenderRequest, Plan, dict[tuple[Stage, int], float]]:
    """Return a job's request and plan, and the cost of each unit; these never change."""
    if known := _costs.get(job.pk):
        return known
    if len(_costs) >= _MOST_COSTS:
        _costs.clear()  # also what another thread is about to look up
    request, plan = job.render_request, job.render_plan
    _costs[job.pk] = known = request, plan, {unit: estimates.cost(*unit, plan, request) for unit in plan.units}
    return known


def _clip_of(job: Job) -> Clip | None:
    """Return what is left of a job; None if it cannot be rendered, which ends it as soon as it is its turn."""
    try:
        request, plan, costs = _known(job)
        units = _units(request, plan, costs)
        if job.status == Status.QUEUED:
            return Clip(job.pk, job.user_id, _blocks(units, plan, waits=True), waits=True)
        return _rendering(job, units, plan)
    except ValueError:  # among them InvalidRequest
        return None


def _units(request: RenderRequest, plan: Plan, costs: Mapping[tuple[Stage, int], float] | None = None) -> _Units:
    costs = costs or {unit: estimates.cost(*unit, plan, request) for unit in plan.units}
    loads = {stage: _load(stage, request) for stage in plan.stages}
    return {
        (stage, chunk): Unit(STAGES[stage].queue, cost * estimates.usual(stage, request.model), *loads[stage])
        for (stage, chunk), cost in costs.items()
    }


def _load(stage: Stage, request: RenderRequest) -> tuple[str, float]:
    """Return the model that the stage has to load before its work, and how long that takes; ("", 0) without one."""
    if stage is not Stage.GENERATE or not placement.is_cold(stage, request):
        return "", 0.0  # those of later stages are loaded ahead
    return placement.engine_of(stage, request), times.expected(stage, request)


def _blocks(units: _Units, plan: Plan, *, waits: bool = False) -> tuple[schedule.Block, ...]:
    left = {unit for unit in units if not (waits and unit[0] is Stage.PREPROCESS)}
    found = []
    for per_chunk, stages in blocks(plan.stages):
        chunks = range(len(plan.chunks) if per_chunk else 1)
        chains = (tuple(units[stage, n] for stage in stages if (stage, n) in left) for n in chunks)
        found.append(tuple(chain for chain in chains if chain))
    return tuple(block for block in found if block)


def _rendering(job: Job, units: _Units, plan: Plan) -> Clip:
    """Return what is left of a job that workers have begun."""
    work = Work(job, plan)
    left: dict[tuple[Stage, int], Unit] = {}
    taken = set()
    for unit, whole in units.items():
        if unit[0] is Stage.PREPROCESS:  # it was done before the turn of the job
            continue
        run = work.runs.get(unit)
        if run is None or run.status not in (RunStatus.DONE, RunStatus.RUNNING):
            left[unit] = whole
        elif run.status == RunStatus.RUNNING:
            loading = work.loading[unit[0]].left if run.is_loading and unit[0] in work.loading else 0.0
            seconds = whole.seconds * (1 - work.fraction(unit))
            left[unit] = Unit(whole.queue, seconds, whole.engine or unit[0], loading)
            taken.add(left[unit])
    found = list(_blocks(left, plan))
    if found:
        found[0] = tuple(sorted(found[0], key=lambda chain: chain[0] not in taken))
    running = sum(chain[0] in taken for chain in found[0]) if found else 0
    return Clip(job.pk, job.user_id, tuple(found), running)


def _loading_ahead(jobs: Iterable[Job]) -> list[Clip]:
    """Return, as work of their workers, the models of later stages that are loaded while clips are generated."""
    wanted = {}
    for job in jobs:
        if not (known := _costs.get(job.pk)):
            continue
        request, plan, _ = known
        for stage in ahead.later_stages(plan):
            if (stage, request.model) not in wanted and placement.is_cold(stage, request):
                wanted[stage, request.model] = stage, request
    found = []
    for stage, request in wanted.values():
        note = ahead.look(stage, placement.engine_of(stage, request))
        if note is None or note.is_going_on:
            left = max(0.0, times.expected(stage, request) - (note.elapsed if note else 0.0))
            found.append(Clip(("load", stage, request.model), 0, (((Unit(STAGES[stage].queue, left),),),), running=1))
    return found

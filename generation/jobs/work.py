"""What is left of a job: the units of its plan, with the progress and the estimated time of each."""

from dataclasses import dataclass

from django.utils import timezone

from generation.domain.plan import Plan
from generation.domain.states import RunStatus, Stage, Status
from generation.models import STAGE_LABELS, Job, StageRun
from generation.queue import estimates, placement
from generation.queue.loading import ahead, times

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
class Loading:
    """Seconds of loading the model of a stage: its weight in the progress, how many are behind, how many are left.

    These do not add up while it takes longer than expected: then the bar stands still, and the time left rises.
    What is loaded ahead has no weight, and only what is left of it after the earlier stages adds to the time left.
    """

    weight: float
    behind: float
    left: float
    is_ahead: bool = False


class Work:
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

    def _loading(self, stage: Stage) -> Loading | None:
        """Return what loading the stage's model takes; None if it is warm, or was when the stage began."""
        runs = [run for unit, run in self.runs.items() if unit[0] is stage]
        began = [run.started_at for run in runs if run.is_loading and run.status == RunStatus.RUNNING]
        if took := max((run.load_seconds for run in runs), default=0.0):
            return Loading(took, took, 0.0)
        request = self.request
        is_past = not began and any(run.total or run.status == RunStatus.DONE for run in runs)
        if not self.job.is_active or is_past or not (began or placement.is_cold(stage, request)):
            return None
        expected = times.expected(stage, request)
        if not began and (note := ahead.look(stage, placement.engine_of(stage, request))):
            if note.is_going_on:
                return Loading(0.0, 0.0, max(expected - note.elapsed, note.elapsed * OVERTIME), is_ahead=True)
            if note.state is ahead.State.READY:  # the roster says so soon
                return None
        elapsed = max((timezone.now() - min(began)).total_seconds(), 0.0) if began else 0.0
        # One that takes longer than expected goes on for a while: its page should not promise the end for any moment.
        return Loading(expected, min(elapsed, expected * NEARLY), max(expected - elapsed, elapsed * OVERTIME))

    def is_loading(self, stage: str) -> bool:
        """Return whether a stage loads its model and cannot advance before that."""
        running = [run for unit, run in self.runs.items() if unit[0] == stage and run.status == RunStatus.RUNNING]
        if not running:
            return any(of == stage and loading.is_ahead for of, loading in self.loading.items())
        return all(run.is_loading for run in running)

    @property
    def is_served(self) -> bool:
        """Return whether a worker is at the job's next step."""
        return any(run.status == RunStatus.RUNNING and run.stage != Stage.PREPROCESS for run in self.runs.values())

    def has_begun(self, stage: Stage) -> bool:
        """Return whether a stage has taken its first step, or at least loaded its model."""
        runs = [run for unit, run in self.runs.items() if unit[0] is stage]
        return any(run.status == RunStatus.DONE or run.done or run.load_seconds for run in runs)

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

"""The orders of a benchmark: load models, release them, run a stage of a clip."""

import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.models import Job, StageRun
from generation.requests.request import RenderRequest
from workers import engine_factory, stages
from workers.benchmark import meters
from workers.encoding.live import LivePreview
from workers.engines import registry
from workers.engines.base import Preview
from workers.runner import Context

R = TypeVar("R")

_CALLS = {Stage.GENERATE: "generate", Stage.INTERPOLATE: "interpolate", Stage.UPSCALE: "upscale"}


class _Watch:
    """Adds up the time of its blocks; a block inside a block of another watch counts for both."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._since = 0.0

    def __enter__(self) -> None:
        self._since = time.perf_counter()

    def __exit__(self, *_error: object) -> None:
        self.seconds += time.perf_counter() - self._since


_models, _reports = _Watch(), _Watch()  # of engine calls, and of what those call to report progress


class _BenchmarkContext(Context):
    """A stage's view of a clip that no database knows. It reports as a worker does, previews included, to nobody."""

    def __init__(self, held: StageRun) -> None:
        self.held, self.job = held, held.job
        self.stage, self.chunk = Stage(held.stage), held.chunk
        self.request: RenderRequest = self.job.render_request
        self.live = LivePreview(self.job.pk, lambda: None)

    def on_step(self, done: int, total: int, preview: Preview | None = None) -> None:
        with _reports:
            if preview is not None:
                self.live.offer(preview)

    def check(self) -> None:
        """Go on: this process is killed to stop it."""

    def warn(self, warnings: list[dict[str, object]]) -> None:
        """Drop them."""

    def patiently(self, move: Callable[[], R]) -> R:
        return move()


def load(stage: str, request: Mapping[str, Any]) -> float:
    """Load the model of a stage, unless it is loaded. Return the seconds that took."""
    started = time.perf_counter()
    engine = engine_factory.of_stage(Stage(stage), RenderRequest.from_dict(request))
    _time(engine, _CALLS[Stage(stage)])
    return time.perf_counter() - started


def release() -> None:
    """Release all models, as if the process had just started; its libraries stay imported."""
    registry.release_all("the benchmark loads them again")


def run(stage: str, job: str, request: Mapping[str, Any], plan: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Run a stage of a clip, all its chunks. Return its `StageTime` (auravideo/benchmark/results.py)."""
    spec = STAGES[Stage(stage)]
    clip = Job(id=UUID(job), request=request, plan=plan, seed=seed)
    chunks = range(len(clip.render_plan.chunks)) if spec.per_chunk else range(1)
    work = getattr(stages, stage)
    _models.seconds = _reports.seconds = 0.0
    with meters.measured() as peaks:
        started, worked = time.perf_counter(), time.process_time()
        for chunk in chunks:
            context = _BenchmarkContext(StageRun(job=clip, stage=stage, chunk=chunk))
            with context.live:
                work(context)
        seconds, processor = time.perf_counter() - started, time.process_time() - worked
    model = _models.seconds - _reports.seconds if _models.seconds else 0.0
    return {"seconds": seconds, "model": model, "processor": processor, **peaks.to_dict()}


def _time(engine: Any, name: str) -> None:
    """Make an engine time its calls, once."""
    if name in vars(engine):
        return
    call = getattr(engine, name)

    def timed(*args: Any, **options: Any) -> Any:
        with _models:
            return call(*args, **options)

    setattr(engine, name, timed)


ORDERS: Mapping[str, Callable[..., Any]] = {"load": load, "release": release, "run": run}

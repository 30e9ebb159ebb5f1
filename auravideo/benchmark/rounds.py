"""The order of a benchmark: all ways to render a clip in turn, so that whatever else happens affects all alike."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings

from auravideo.benchmark.cases import SEED, Case, Way
from auravideo.benchmark.crew import Crew, Failed
from auravideo.benchmark.results import Result, Round, StageTime
from generation.domain.stages import STAGES

Tell = Callable[[str, int], None]  # what comes next, and how many renderings have been done since the last call


def count(cases: Iterable[Case], repeats: int) -> int:
    """Return how many clips are rendered in all: each way once to warm up, then `repeats` times."""
    return sum(len(case.plans) for case in cases) * (1 + repeats)


class Benchmark:
    """Renders cases and collects `results`, which may be read at any time.

    Args:
        repeats: warm rounds of each way.
        is_cold: start new processes for each clip, so that its first rendering includes starting and loading.
        folder: for all files, the processes' included.
    """

    def __init__(self, cases: Sequence[Case], repeats: int, folder: Path, *, is_cold: bool, tell: Tell) -> None:
        self.cases, self.repeats, self.is_cold, self.tell = cases, repeats, is_cold, tell
        self.home = _home(folder)
        self.results: list[Result] = []
        self._crew: Crew | None = None
        self._is_fresh = False  # models were just loaded again; what they set up at first use is to be done

    def run(self) -> None:
        """Render everything. What fails is recorded, and the rest goes on."""
        try:
            for case in self.cases:
                self._run_case(case)
        finally:
            self._end_crew()

    def _run_case(self, case: Case) -> None:
        if self.is_cold:
            self._end_crew()
        results = [Result(case, way) for way in case.plans]
        self.results += results
        for result in results:
            with self._step(result, "first"):
                result.cold = self._crew is None
                result.first = self._render(result)
        for number in range(self.repeats):
            for result in results if number % 2 == 0 else reversed(results):  # neither is always the first
                with self._step(result, f"{number + 1} of {self.repeats}"):
                    if result.way is not Way.RELOAD and (self._crew is None or self._is_fresh):
                        self._render(result)
                    result.rounds.append(self._render(result))

    @contextmanager
    def _step(self, result: Result, name: str) -> Iterator[None]:
        """Tell about one rendering. A failed clip is not tried again: the reason will not have gone."""
        self.tell(f"{result.case}, {result.way}, {name}", 0)
        try:
            yield
        except Failed as error:
            result.error = result.error or str(error)
            if error.is_dead:
                self._end_crew()
        self.tell("", 1)

    def _render(self, result: Result) -> Round:
        if result.error:
            raise Failed(result.error)
        is_new = self._crew is None
        if self._crew is None:
            self._crew = Crew(self.home, dict.fromkeys(spec.queue for spec in STAGES.values()))
        crew, case, plan = self._crew, result.case, result.case.plans[result.way]
        if result.way is Way.RELOAD:
            crew.ask_all("release")
        request = case.request.to_dict()
        clip: dict[str, Any] = {"job": str(uuid4()), "request": request, "plan": plan.to_dict(), "seed": SEED}
        loading: dict[str, float] = {}
        times: dict[str, StageTime] = {}
        try:
            for stage in plan.stages:
                queue = STAGES[stage].queue
                if STAGES[stage].first_load:
                    seconds = crew.ask(queue, "load", stage=stage, request=request)
                    loading |= {str(stage): seconds} if is_new or result.way is Way.RELOAD or not result.first else {}
                times[str(stage)] = StageTime(**crew.ask(queue, "run", stage=stage, **clip))
        finally:
            shutil.rmtree(self.home / "frames" / "jobs", ignore_errors=True)
            shutil.rmtree(self.home / "media" / "videos", ignore_errors=True)
        self._is_fresh = result.way is Way.RELOAD
        return Round(times, loading, crew.starting if is_new else 0.0)

    def _end_crew(self) -> None:
        if self._crew is not None:
            self._crew.close()
            self._crew = None


def _home(folder: Path) -> Path:
    """Return a home for the processes, which finds the site's models, and what is known of their files."""
    home = folder / "home"
    home.mkdir()
    models = Path(settings.HOME) / "models"
    if models.is_dir():
        (home / "models").symlink_to(models.resolve(), target_is_directory=True)
    return home

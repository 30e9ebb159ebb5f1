"""What was measured, and the ratios in it. Seconds and bytes."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from auravideo.benchmark.cases import Case, Way

VERSION = 1  # of the JSON


@dataclass(frozen=True)
class Spread:
    """The median, minimum and maximum of some numbers."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> "Spread | None":
        """Return the spread, or None of no numbers."""
        found = sorted(numbers)
        return cls(median(found), found[0], found[-1]) if found else None


@dataclass(frozen=True)
class StageTime:
    """One stage of one clip, all its chunks.

    `model` are the seconds that the network itself took, without transfers, progress and previews. `processor` is the
    time of all threads: on a busy machine it changes much less than the seconds. Peaks are bytes:
    `rss` of the process, `framework` as torch or TensorFlow count on a card, `card` what NVML saw in use on it.
    """

    seconds: float
    model: float
    processor: float
    rss: int
    framework: int | None = None
    card: int | None = None


@dataclass(frozen=True)
class Round:
    """One clip, rendered once. `loading` by stage, where models were loaded for it."""

    stages: Mapping[str, StageTime]
    loading: Mapping[str, float] = field(default_factory=dict)
    starting: float = 0.0

    @property
    def seconds(self) -> float:
        return self.starting + sum(self.loading.values()) + sum(stage.seconds for stage in self.stages.values())

    @property
    def processor(self) -> float:
        return sum(stage.processor for stage in self.stages.values())

    @property
    def model(self) -> float:
        return sum(stage.model for stage in self.stages.values())


@dataclass
class Result:
    """One clip rendered in one way: the first time, then warm. `cold`: the first time was in new processes."""

    case: Case
    way: Way
    first: Round | None = None
    cold: bool = False
    rounds: list[Round] = field(default_factory=list)
    error: str = ""

    @property
    def seconds(self) -> Spread | None:
        """Return how long a clip took, once the models were loaded (with `Way.RELOAD`: including that)."""
        return Spread.of(round.seconds for round in self.rounds)

    @property
    def overhead(self) -> Spread | None:
        """Return which share of the time no model worked, 0 to 1."""
        return Spread.of(1 - round.model / round.seconds for round in self.rounds)

    def of_stage(self, stage: str) -> Spread | None:
        return Spread.of(round.stages[stage].seconds for round in self.rounds if stage in round.stages)

    def peak(self, kind: str) -> int | None:
        """Return the most memory that the process of any stage took, in bytes, in any round."""
        rounds = [*self.rounds, *([self.first] if self.first else [])]
        found = [getattr(stage, kind) for round in rounds for stage in round.stages.values()]
        return max((peak for peak in found if peak is not None), default=None)

    def to_dict(self) -> dict[str, Any]:
        request, plan = self.case.request, self.case.plans[self.way]
        return {
            "model": request.model,
            "width": request.width,
            "height": request.height,
            "seconds": request.seconds,
            "fps": request.fps,
            "steps": request.steps,
            "way": str(self.way),
            "base": {"width": plan.base_width, "height": plan.base_height, "frames": plan.base_frames},
            "cold": self.cold,
            "first": _round(self.first) if self.first else None,
            "rounds": [_round(round) for round in self.rounds],
            "warm": asdict(self.seconds) if self.seconds else None,
            "overhead": asdict(self.overhead) if self.overhead else None,
            "peak": {kind: self.peak(kind) for kind in ("rss", "framework", "card")},
            "error": self.error,
        }


@dataclass(frozen=True)
class Ratio:
    """How many times longer a clip takes in another way than in the pipeline: one number a round, of neighbours."""

    case: Case
    way: Way
    rounds: tuple[float, ...]
    processor: tuple[float, ...]  # the same of the processor time of the stages, without loading

    @property
    def spread(self) -> Spread | None:
        return Spread.of(self.rounds)

    @property
    def processor_spread(self) -> Spread | None:
        return Spread.of(self.processor)

    def to_dict(self) -> dict[str, Any]:
        spread = asdict(self.spread) if self.spread else {}
        of = f"{self.way} / {Way.PIPELINE}"
        return {"case": str(self.case), "of": of, "rounds": self.rounds, **spread, "processor": self.processor}


def ratios(results: Iterable[Result]) -> list[Ratio]:
    """Return the ratios of all clips that were rendered in more than one way."""
    found, results = [], list(results)
    pipelines = {id(result.case): result for result in results if result.way is Way.PIPELINE}
    for result in results:
        ours = pipelines.get(id(result.case))
        if result.way is Way.PIPELINE or ours is None:
            continue
        pairs = list(zip(result.rounds, ours.rounds, strict=False))  # without its other half, a round is no ratio
        seconds = tuple(theirs.seconds / mine.seconds for theirs, mine in pairs)
        processor = tuple(theirs.processor / mine.processor for theirs, mine in pairs if mine.processor)
        if seconds:
            found.append(Ratio(result.case, result.way, seconds, processor))
    return found


def _round(round: Round) -> dict[str, Any]:
    return {"total": round.seconds, "processor": round.processor, **asdict(round)}

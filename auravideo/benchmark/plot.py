"""The results of a benchmark as a picture: one bar a clip and way, its stages side by side, the spread as a whisker."""

from collections.abc import Sequence
from pathlib import Path

from auravideo.benchmark.results import Result
from generation.domain.stages import STAGES

SUFFIXES = (".png", ".svg", ".pdf")
BAR_INCHES, WIDTH_INCHES, MARGIN_INCHES = 0.35, 9.0, 1.2


def draw(results: Sequence[Result], path: Path) -> None:
    """Write the plot; its format follows the suffix of `path`."""
    from matplotlib.figure import Figure

    measured = [result for result in results if result.seconds]
    figure = Figure(figsize=(WIDTH_INCHES, MARGIN_INCHES + BAR_INCHES * max(1, len(measured))), layout="constrained")
    axes = figure.add_subplot()
    rows = list(range(len(measured)))
    left = [0.0] * len(measured)
    loading = [sum(sum(round.loading.values()) for round in one.rounds) / len(one.rounds) for one in measured]
    parts = {str(spec.label): [_median(one, str(stage)) for one in measured] for stage, spec in STAGES.items()}
    if any(loading):
        parts["Loading models"] = loading
    for name, seconds in parts.items():
        axes.barh(rows, seconds, left=left, label=name)
        left = [before + more for before, more in zip(left, seconds, strict=True)]
    spreads = [one.seconds for one in measured if one.seconds]
    below = [max(0.0, end - spread.min) for end, spread in zip(left, spreads, strict=True)]
    above = [max(0.0, spread.max - end) for end, spread in zip(left, spreads, strict=True)]
    axes.errorbar(left, rows, xerr=[below, above], fmt="none", ecolor="black", capsize=3)
    axes.set_yticks(rows, [f"{one.case}, {one.way}" for one in measured])
    axes.invert_yaxis()
    axes.set_xlabel("seconds per clip, models loaded")
    if measured:
        figure.legend(loc="outside upper center", ncols=len(parts), fontsize="small", frameon=False)
    figure.savefig(path)


def _median(result: Result, stage: str) -> float:
    spread = result.of_stage(stage)
    return spread.median if spread else 0.0

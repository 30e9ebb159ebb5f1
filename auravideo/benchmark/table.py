"""The results of a benchmark as text."""

from collections.abc import Iterable, Sequence

from auravideo.benchmark.results import Ratio, Result, Spread
from generation.domain.states import Stage

_STAGES = (Stage.GENERATE, Stage.INTERPOLATE, Stage.UPSCALE, Stage.ASSEMBLE)
_HEAD = ("CLIP", "WAY", *(stage.name for stage in _STAGES), "WARM", "COLD", "NOT MODELS", "MEMORY", "CARD")
GIB = 2**30


def lines(results: Sequence[Result], ratios: Iterable[Ratio]) -> list[str]:
    """Return a table of the results, in seconds, the reasons of failures, and the ratios."""
    failed = [f"{result.case}, {result.way}: {result.error}" for result in results if result.error]
    compared = [
        f"{ratio.case}: {ratio.way} takes {_ratio(ratio.spread)} as long, {_ratio(ratio.processor_spread)} the "
        "processor time"
        for ratio in ratios
    ]
    return [*_aligned([_HEAD, *map(_row, results)]), *failed, *compared]


def _row(result: Result) -> tuple[str, ...]:
    cold = f"{result.first.seconds:.1f}" if result.first and result.cold else "-"
    share = f"{result.overhead.median:.1%}" if result.overhead else "-"
    stages = (_seconds(result.of_stage(stage), with_range=False) for stage in _STAGES)
    memory, card = (_size(result.peak(kind)) for kind in ("rss", "card"))
    return (str(result.case), str(result.way), *stages, _seconds(result.seconds), cold, share, memory, card)


def _seconds(spread: Spread | None, *, with_range: bool = True) -> str:
    if spread is None:
        return "-"
    return f"{spread.median:.2f}" + (f" ({spread.min:.2f}-{spread.max:.2f})" if with_range else "")


def _ratio(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.median:.1f} times ({spread.min:.1f}-{spread.max:.1f})"


def _size(count: int | None) -> str:
    return "-" if count is None else f"{count / GIB:.2f} GiB"


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

"""What a page says once for all rows of a batch: it counts where a row does not say otherwise."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from generation.batches.parsing import Row
from generation.requests import available
from generation.requests.request import RENAMED
from generation.requests.sizes import size_of

_BY_QUALITY = ("size", "width", "height", "fps", "steps")


@dataclass(frozen=True, slots=True)
class Defaults:
    """`aspect` is one of `sizes.ASPECTS`, `quality` one of `qualities.QUALITIES`."""

    aspect: str
    seconds: int
    quality: str

    def of(self, rows: list[Row]) -> list[Row]:
        """The rows with everything that they leave open filled in; what is wrong in them stays as it is."""
        return [row if row.problem else replace(row, values=self._fill(row.values)) for row in rows]

    def _fill(self, values: Mapping[str, Any]) -> dict[str, Any]:
        given = {name for name, value in values.items() if value is not None and value != ""}
        found = available.chosen_quality(self.quality, {**values, "aspect": self.aspect})
        filled: dict[str, Any] = {"seconds": self.seconds, "fps": found.fps}
        if not given & {"size", "width", "height"}:
            filled["width"], filled["height"] = size_of(found.short_side, self.aspect)
        if found.steps != available.usual_steps(values):
            filled["steps"] = found.steps
        if not given & {*_BY_QUALITY, "quality", *RENAMED}:
            filled["quality"] = self.quality
        return {**filled, **{name: values[name] for name in values if name in given}}

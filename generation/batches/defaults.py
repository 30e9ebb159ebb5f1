"""Page-wide defaults for the rows of a batch."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from generation.batches.parsing import Row
from generation.requests import available
from generation.requests.choices import fields_of
from generation.requests.fields import FIELDS, RENAMED
from generation.requests.limits import Limits
from generation.requests.offer import Offer

_SIZE = {"size", "width", "height"}
_BY_QUALITY = {"size", *(name for name, field in FIELDS.items() if field.by_quality)}


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values for the fields that a row leaves empty.

    `aspect` is one of `sizes.ASPECTS`, `quality` one of `qualities.QUALITIES`.
    """

    aspect: str
    seconds: int
    quality: str
    limits: Limits | None = None  # the user's own

    def of(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows with missing values filled in; unreadable rows and invalid values are left as they are."""
        offer = available.offer(self.limits)
        return [row if row.problem else replace(row, values=self._fill(row.values, offer)) for row in rows]

    def _fill(self, values: Mapping[str, Any], offer: Offer) -> dict[str, Any]:
        given = {name: value for name, value in values.items() if value is not None and value != ""}
        chosen = {name: given.get(name) for name in ("model", "motion_adapter")}
        page = {"aspect": self.aspect, "seconds": self.seconds, "quality": self.quality}
        asked = fields_of({**chosen, **page}, offer)
        filled = {name: asked[name] for name in ("seconds", *_BY_QUALITY - {"size"}) if asked[name] is not None}
        if given.keys() & _SIZE:
            filled = {name: value for name, value in filled.items() if name not in _SIZE}
        if not given.keys() & {*_BY_QUALITY, "quality", *RENAMED}:
            filled["quality"] = self.quality
        return {**filled, **given}

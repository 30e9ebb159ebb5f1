"""Pages of a list that grows while it is read: a page begins after a row, not after a number of rows.

So nothing is shown twice and nothing is passed over when jobs are added or removed between two clicks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import Model, Q, QuerySet

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DIGITS = 18


@dataclass(frozen=True)
class Page:
    """Rows, newest first. `newer` and `older` are the queries of the pages beside it, "" where there is none."""

    rows: list
    newer: str
    older: str

    @property
    def is_only(self) -> bool:
        return not (self.newer or self.older)


def page_of(rows: QuerySet, query: Mapping[str, str], size: int) -> Page:
    """The page that `before` or `after` in `query` ask for. A mark that cannot be read means the first page."""
    if (mark := _read(query.get("before", ""))) and (found := list(_older(rows, mark)[: size + 1])):
        return _page(found[:size], newer=True, older=len(found) > size)
    if mark := _read(query.get("after", "")):
        found = list(_newer(rows, mark)[: size + 1])
        if len(found) > size:
            return _page(found[:size][::-1], newer=True, older=True)
        # So few are newer that they would make a short page: then it is the first one.
    found = list(rows.order_by("-created_at", "-pk")[: size + 1])
    return _page(found[:size], newer=False, older=len(found) > size)


def _page(rows: list, *, newer: bool, older: bool) -> Page:
    return Page(
        rows,
        newer=f"after={_mark(rows[0])}" if newer else "",
        older=f"before={_mark(rows[-1])}" if older else "",
    )


def _older(rows: QuerySet, mark: tuple[datetime, UUID]) -> QuerySet:
    at, pk = mark
    return rows.filter(Q(created_at__lt=at) | Q(created_at=at, pk__lt=pk)).order_by("-created_at", "-pk")


def _newer(rows: QuerySet, mark: tuple[datetime, UUID]) -> QuerySet:
    at, pk = mark
    return rows.filter(Q(created_at__gt=at) | Q(created_at=at, pk__gt=pk)).order_by("created_at", "pk")


def _mark(row: Model) -> str:
    """Microseconds since 1970 and the key: what the rows are ordered by."""
    return f"{(row.created_at - _EPOCH) // timedelta(microseconds=1)}-{row.pk.hex}"


def _read(mark: str) -> tuple[datetime, UUID] | None:
    stamp, _, key = mark.partition("-")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > _MAX_DIGITS:
        return None
    try:
        return _EPOCH + timedelta(microseconds=int(stamp)), UUID(hex=key)
    except (ValueError, OverflowError):
        return None

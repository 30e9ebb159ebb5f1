"""Keyset pagination: a page starts after a given row, not at an offset.

No row is repeated or skipped when rows are added or removed between two clicks, and page 1000 costs as much as page 1,
because row values are compared as the (field, key) pair that an index is sorted by.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db.models import DateTimeField, F, Field, Model, QuerySet
from django.db.models.fields.tuple_lookups import Tuple, TupleGreaterThan, TupleLessThan

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_DIGITS = 18


@dataclass(frozen=True)
class Page:
    """One page of rows. `newer` and `older` are the query strings of the neighbouring pages, "" where there is none."""

    rows: list
    newer: str
    older: str

    @property
    def is_only(self) -> bool:
        return not (self.newer or self.older)


@dataclass(frozen=True)
class Order:
    """A list's order: by a non-null datetime or integer field, then by key."""

    field: Field
    descending: bool

    @classmethod
    def of(cls, model: type[Model], order: str) -> "Order":
        """Parse an `order_by` name: "-created_at" means newest first."""
        field = model._meta.get_field(order.removeprefix("-"))
        if not isinstance(field, Field):
            raise TypeError(f"{field} is a relation, which has no order.")
        return cls(field, order.startswith("-"))

    def names(self, *, reverse: bool = False) -> tuple[str, str]:
        sign = "-" if self.descending != reverse else ""
        return f"{sign}{self.field.name}", f"{sign}pk"

    def behind(self, rows: QuerySet, mark: tuple, *, reverse: bool = False) -> QuerySet:
        """Return the rows after a mark, in order; with `reverse`, those before it, nearest first."""
        forwards = self.descending != reverse
        compare = TupleLessThan if forwards else TupleGreaterThan
        # SQLite gets the pair comparison rewritten into a form that can't seek in the index; this condition can.
        begin = {f"{self.field.name}__{'lte' if forwards else 'gte'}": mark[0]}
        found = rows.filter(compare(Tuple(F(self.field.name), F("pk")), mark), **begin)
        return found.order_by(*self.names(reverse=reverse))

    def mark(self, row: Model) -> str:
        """Return a row's position: its field value (datetimes as microseconds since 1970) and its key."""
        value = getattr(row, self.field.attname)
        number = (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value
        return f"{number}-{row.pk.hex}"

    def read(self, mark: str) -> tuple[datetime | int, UUID] | None:
        number, _, key = mark.partition("-")
        if not number.isascii() or not number.isdigit() or len(number) > _MAX_DIGITS:
            return None
        try:
            value = int(number)
            timed = isinstance(self.field, DateTimeField)
            return _EPOCH + timedelta(microseconds=value) if timed else value, UUID(hex=key)
        except (ValueError, OverflowError):
            return None


def page_of(rows: QuerySet, query: Mapping[str, str], size: int, order: str = "-created_at") -> Page:
    """Return the page that `before` or `after` in `query` asks for; the first page if the mark is invalid."""
    by = Order.of(rows.model, order)
    if (mark := by.read(query.get("before", ""))) and (found := list(by.behind(rows, mark)[: size + 1])):
        return _page(by, found[:size], newer=True, older=len(found) > size)
    if mark := by.read(query.get("after", "")):
        found = list(by.behind(rows, mark, reverse=True)[: size + 1])
        if len(found) > size:
            return _page(by, found[:size][::-1], newer=True, older=True)
        # Fewer newer rows than fill a page: show the first page instead.
    found = list(rows.order_by(*by.names())[: size + 1])
    return _page(by, found[:size], newer=False, older=len(found) > size)


def _page(by: Order, rows: list, *, newer: bool, older: bool) -> Page:
    return Page(
        rows,
        newer=f"after={by.mark(rows[0])}" if newer else "",
        older=f"before={by.mark(rows[-1])}" if older else "",
    )

"""Pages of a list that grows while it is read: a page begins after a row, not after a number of rows.

So nothing is shown twice and nothing is passed over when rows are added or removed between two clicks, and the
thousandth page costs what the first one does: the row values are compared as the pair that an index is sorted by.
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
    """Rows in their order. `newer` and `older` are the queries of the pages before and behind it, "" where none is."""

    rows: list
    newer: str
    older: str

    @property
    def is_only(self) -> bool:
        return not (self.newer or self.older)


@dataclass(frozen=True)
class Order:
    """A list's order: by a field that holds times or whole numbers and is never empty, then by key."""

    field: Field
    descending: bool

    @classmethod
    def of(cls, model: type[Model], order: str) -> "Order":
        """`order` as in `order_by`: "-created_at" begins with the newest."""
        field = model._meta.get_field(order.removeprefix("-"))
        if not isinstance(field, Field):
            raise TypeError(f"{field} is a relation, which has no order.")
        return cls(field, order.startswith("-"))

    def names(self, *, reverse: bool = False) -> tuple[str, str]:
        sign = "-" if self.descending != reverse else ""
        return f"{sign}{self.field.name}", f"{sign}pk"

    def behind(self, rows: QuerySet, mark: tuple, *, reverse: bool = False) -> QuerySet:
        """The rows behind a mark, in order; those before it, from the mark backwards, when `reverse`."""
        forwards = self.descending != reverse
        compare = TupleLessThan if forwards else TupleGreaterThan
        # SQLite is asked for pairs in other words, from which it does not see where in the index to begin.
        begin = {f"{self.field.name}__{'lte' if forwards else 'gte'}": mark[0]}
        found = rows.filter(compare(Tuple(F(self.field.name), F("pk")), mark), **begin)
        return found.order_by(*self.names(reverse=reverse))

    def mark(self, row: Model) -> str:
        """What the rows are ordered by, times as microseconds since 1970, and the key."""
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
    """The page that `before` or `after` in `query` ask for. A mark that cannot be read means the first page."""
    by = Order.of(rows.model, order)
    if (mark := by.read(query.get("before", ""))) and (found := list(by.behind(rows, mark)[: size + 1])):
        return _page(by, found[:size], newer=True, older=len(found) > size)
    if mark := by.read(query.get("after", "")):
        found = list(by.behind(rows, mark, reverse=True)[: size + 1])
        if len(found) > size:
            return _page(by, found[:size][::-1], newer=True, older=True)
        # So few are newer that they would make a short page: then it is the first one.
    found = list(rows.order_by(*by.names())[: size + 1])
    return _page(by, found[:size], newer=False, older=len(found) > size)


def _page(by: Order, rows: list, *, newer: bool, older: bool) -> Page:
    return Page(
        rows,
        newer=f"after={by.mark(rows[0])}" if newer else "",
        older=f"before={by.mark(rows[-1])}" if older else "",
    )

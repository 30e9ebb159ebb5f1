"""Search clips by the words of their prompt and title, page by page.

The last word matches as a prefix, because the user may still be typing. Both databases read only the newest matching
rows, as many as a page needs; see gallery/models/search.py.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL

from accounts.models import User
from auravideo.core.keyset import Order, Page, page_of
from gallery.models import Video
from gallery.models.search import PUBLIC, SearchDoc, library_scope, scope_word, words_of

if TYPE_CHECKING:
    from gallery.annotated import FoundVideo


MAX_WORDS = 8
MAX_TEXT = 200
MIN_PREFIX, MAX_PREFIX = 3, 8  # lengths the index has prefixes for; others match as whole words
SORTED_MOST = 2_000  # sort orders other than by date consider only this many of the newest matches
Span = tuple[datetime | None, datetime | None]  # from a moment, until before another; None where it is open
_ALWAYS: Span = (None, None)
_LATE = 1_000  # rows may be out of order by so many: clips that end at the same moment are numbered as they are saved
_MAX_DIGITS = 18
_NEWEST = {"-created_at": True, "created_at": False, "-published_at": True}  # orders that match the row numbers

_SQLITE = """
    SELECT doc.video_id FROM gallery_searchdoc_fts AS fts CROSS JOIN gallery_searchdoc AS doc ON doc.number = fts.rowid
    WHERE fts.gallery_searchdoc_fts MATCH %s AND doc.scope = %s AND {bound}
    AND EXISTS (SELECT 1 FROM ({videos}) AS found WHERE found.id = doc.video_id)
    ORDER BY fts.rowid {direction} LIMIT %s
"""
_POSTGRESQL = """
    SELECT doc.video_id FROM gallery_searchdoc AS doc
    WHERE doc.words @@ %s::tsquery AND doc.scope = %s AND {bound}
    AND EXISTS (SELECT 1 FROM ({videos}) AS found WHERE found.id = doc.video_id)
    ORDER BY (-doc.number) {direction} LIMIT %s
"""


def find(
    videos: QuerySet[Video],
    text: str,
    query: Mapping[str, str],
    size: int,
    order: str = "-created_at",
    *,
    owner: User | None = None,
    span: Span = _ALWAYS,
) -> Page:
    """Return one page of the `videos` that contain every word of `text`; `query` selects it (auravideo/core/keyset.py).

    Args:
        owner: the owner of the library to search; None searches public videos.
        order: a field of the video, as in `order_by`. By date, the search is fast however many videos match; any other
            order sorts only the newest `SORTED_MOST` matches.
        span: what the `videos` of the library are already narrowed to. The search then reads no rows of other times.
    """
    words = words_of(text[:MAX_TEXT])[:MAX_WORDS]
    if not words:
        return page_of(videos, query, size, order)
    matches = _Matches(videos, words, owner, span)
    if order in _NEWEST:
        return matches.page(query, size, descending=_NEWEST[order])
    return page_of(videos.filter(pk__in=matches.of(SORTED_MOST, descending=True)), query, size, order)


def mark_of(video: Video, text: str, order: str = "-created_at", *, owner: User) -> str:
    """Return the place of a video in the pages that `find` returns for the same text and order; "" if it has none."""
    if not words_of(text[:MAX_TEXT]) or order not in _NEWEST:
        return Order.of(Video, order).mark(video)
    number = SearchDoc.objects.filter(video=video, scope=library_scope(owner.pk)).values_list("number", flat=True)
    return str(number.first() or "")


class _Matches:
    """The `videos` that contain the words, in the order of their row numbers."""

    def __init__(self, videos: QuerySet[Video], words: list[str], owner: User | None, span: Span) -> None:
        self.videos, self.words, self.owner, self.span = videos, words, owner, span
        self.scope = PUBLIC if owner is None else library_scope(owner.pk)

    def page(self, query: Mapping[str, str], size: int, *, descending: bool) -> Page:
        if mark := _read(query.get("before", "")):
            if found := self._rows(size + 1, mark, descending=descending):
                return _page(found[:size], newer=True, older=len(found) > size)
        elif mark := _read(query.get("after", "")):
            found = self._rows(size + 1, mark, descending=not descending)
            if len(found) > size:
                return _page(found[:size][::-1], newer=True, older=True)
        found = self._rows(size + 1, None, descending=descending)
        return _page(found[:size], newer=False, older=len(found) > size)

    def _rows(self, limit: int, mark: int | None, *, descending: bool) -> list["FoundVideo"]:
        """Return up to `limit` videos in one query, annotated with their row `number`."""
        number = SearchDoc.objects.filter(video=OuterRef("pk"), scope=self.scope).values("number")[:1]
        rows = self.videos.filter(pk__in=self.of(limit, mark, descending=descending)).annotate(number=Subquery(number))
        return list(rows.order_by(F("number").desc() if descending else F("number")))

    def of(self, limit: int, mark: int | None = None, *, descending: bool) -> RawSQL:
        """Return the IDs of the first `limit` matches after a mark, as a subquery."""
        videos, parameters = self.videos.order_by().values("id").query.sql_with_params()
        is_sqlite = connection.vendor == "sqlite"
        place, sign = ("fts.rowid", "") if is_sqlite else ("(-doc.number)", "-")
        bounds = list(self._bounds(place, sign))
        if not is_sqlite:  # the expression of the time-ordered index, see migration 0004
            descending, mark = not descending, mark and -mark
        if mark is not None:
            bounds.append((f"{place} {'<' if descending else '>'} %s", [mark]))
        sql = (_SQLITE if is_sqlite else _POSTGRESQL).format(
            bound=" AND ".join(["TRUE", *(text for text, _values in bounds)]),
            videos=videos,
            direction="DESC" if descending else "ASC",
        )
        wanted = [self._fts5() if is_sqlite else self._tsquery(), self.scope]
        marks = [value for _text, values in bounds for value in values]
        return RawSQL(sql, [*wanted, *marks, *parameters, limit])  # noqa: S611  placeholders only

    def _bounds(self, place: str, sign: str) -> Iterator[tuple[str, list]]:
        """Yield conditions that keep the search within the span's row numbers; they match nothing if it is empty."""
        since, until = self.span
        if since:
            edge, values = self._edge("created_at", created_at__gte=since)
            yield f"{place} {'<=' if sign else '>='} {sign}(({edge}) - {_LATE})", values
        if until:
            edge, values = self._edge("-created_at", created_at__lt=until)
            yield f"{place} {'>=' if sign else '<='} {sign}(({edge}) + {_LATE})", values

    def _edge(self, order: str, **span: datetime) -> tuple[str, list]:
        """Return the SQL of the row number of the library's first video of the span, in this order."""
        first = Video.objects.kept().filter(user=self.owner, **span).order_by(order).values("pk")[:1]
        edge = SearchDoc.objects.filter(video=Subquery(first), scope=self.scope).values("number")
        sql, values = edge.query.sql_with_params()
        return sql, list(values)

    def _fts5(self) -> str:
        """Build the FTS5 query. Words are only letters and digits, so nothing needs escaping.

        The scope is matched as a word. A prompt could contain it as well, so the SQL also checks the scope column.
        """
        terms = [f'"{word}"' for word in (scope_word(self.scope), *self.words)]
        return " AND ".join(terms) + "*" * self._is_beginning()

    def _tsquery(self) -> str:
        """Build the tsquery; includes the scope as a word when several words are searched in a library.

        That lets PostgreSQL use the GIN index. A single word is often so frequent that reading the newest rows in order
        is faster.
        """
        by_index = self.scope != PUBLIC and len(self.words) > 1
        words = [scope_word(self.scope), *self.words] if by_index else self.words
        return " & ".join(f"'{word}'" for word in words) + ":*" * self._is_beginning()

    def _is_beginning(self) -> bool:
        return MIN_PREFIX <= len(self.words[-1]) <= MAX_PREFIX


def _read(mark: str) -> int | None:
    return int(mark) if mark.isascii() and mark.isdigit() and len(mark) <= _MAX_DIGITS else None


def _page(rows: list["FoundVideo"], *, newer: bool, older: bool) -> Page:
    return Page(
        rows,
        newer=f"after={rows[0].number}" if newer and rows else "",
        older=f"before={rows[-1].number}" if older and rows else "",
    )

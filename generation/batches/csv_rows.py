"""Rows as CSV with a header, as spreadsheets of any locale save it."""

import csv
import io
import re
from collections.abc import Collection, Iterator

from django.utils.translation import gettext_lazy as _

from generation.batches.lines import MAX_FIELDS, BatchFileError, Found, first_line, printable, unreadable

DELIMITERS = ",;\t"  # spreadsheets use semicolons in locales with a decimal comma
_NONE = "\x1f"  # of a single column: the commas in it are part of its text
_SEP = re.compile(r'"?sep=(.)"?', re.IGNORECASE)  # Excel's own line for the delimiter


def names_in(line: str) -> set[str]:
    """Return the names of columns in a header, as far as they can be told."""
    if _SEP.fullmatch(line):
        return {"prompt"}
    names = (column_name(cell) for cell in re.split(f"[{DELIMITERS}]", line[: MAX_FIELDS * 64]))
    return {name for name in names if name}


def column_name(cell: str) -> str:
    return cell.strip().strip('"').strip().lower()


def read_csv(text: str, known: Collection[str], columns_told: str) -> Found:
    """Yield the rows of a file whose first line names the columns.

    Args:
        known: the names that a column may have; `columns_told` lists them for people.
    Raises:
        BatchFileError: the header is malformed, or quotes do not match.
    """
    records = _records(text)
    start, header = next(records, (1, []))
    columns = _check_header(header, start, known, columns_told) if header else []
    for line, cells in records:
        if problem := next(filter(None, map(unreadable, cells[:MAX_FIELDS])), ""):
            yield line, {}, problem
        elif any(cells[len(columns) :]):
            message = _("This row has %(cells)s cells, but the header has %(columns)s.")
            yield line, {}, message % {"cells": len(cells), "columns": len(columns)}
        else:  # spreadsheets write more empty cells than the header has, or fewer
            yield line, {name: cell for name, cell in zip(columns, cells, strict=False) if cell}, ""


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) for every non-blank CSV row; a quoted cell may span several lines."""
    first = first_line(text)
    told = _SEP.fullmatch(first)
    delimiter = told[1] if told else max(DELIMITERS, key=first.count)
    if not told and delimiter not in first:
        delimiter = _NONE
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    is_header_due = told is not None
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            problem = _("The quotes in this row do not match (%s), so nothing after it can be read.")
            raise BatchFileError(problem % error, line) from None
        if is_header_due and any(cells):
            is_header_due = False
        elif any(cells):
            yield line, cells


def _check_header(cells: list[str], line: int, known: Collection[str], columns_told: str) -> list[str]:
    """Return the column names in order, or raise BatchFileError."""
    columns = [column_name(cell) for cell in cells]
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MAX_FIELDS:
        raise BatchFileError(_("This file has too many columns: at most %s.") % MAX_FIELDS, line)
    for place, name in enumerate(columns):
        if not name:
            raise BatchFileError(_("Column %s has no name.") % (place + 1), line)
        if name not in known:
            message = _("There is no column named %(name)s. The first line names the columns: %(columns)s.")
            raise BatchFileError(message % {"name": printable(name[:50]), "columns": columns_told}, line)
        if name in columns[:place]:
            raise BatchFileError(_("The column %s appears twice.") % name, line)
    if "prompt" not in columns:
        raise BatchFileError(_("There must be a column named prompt."), line)
    return columns

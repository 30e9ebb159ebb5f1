"""Parser of batch files: turns text, CSV or JSON Lines into rows, with errors by line number (docs/batch.md).

Nothing here touches the database; `requests.request.parse` validates the values.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.requests.fields import FIELDS, RENAMED

MAX_BYTES = 10 * 2**20
MAX_ROWS = 10_000
COLUMNS = (*FIELDS, "size")
_DIGESTED = {name: old for old, name in RENAMED.items()}  # stored digests use the old names
FORMATS = ("text", "csv", "jsonl")
_SUFFIXES = {
    ".txt": "text",
    ".text": "text",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
_DELIMITERS = ",;\t"  # spreadsheets use semicolons in locales with a decimal comma
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8, as decoded by 'surrogateescape'


class BatchFileError(ValueError):
    """The file cannot be used. `text` says why; `line` counts from 1, None if it concerns the whole file."""

    def __init__(self, text: Any, line: int | None = None) -> None:
        self.line = line
        self.text = str(text)
        super().__init__(str(text) if line is None else f"line {line}: {text}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row as written. `number` is its row number, `line` its line number, both from 1.

    `values` maps fields to text (or, from JSON, to any value); `problem` says why the row is unreadable, or is ''.
    """

    number: int
    line: int
    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def read_rows(data: bytes, *, format: str = "", name: str = "") -> list[Row]:
    """Return the rows of a file.

    Args:
        format: one of `FORMATS`; if empty, detected from the suffix of `name`, or else from the first line.
    Raises:
        BatchFileError: the file is too large or UTF-16, has no or too many rows, or a malformed header or quotes.
    """
    text = _decode(data)
    readers = {"text": _read_text, "csv": _read_csv, "jsonl": _read_json_lines}
    rows: list[Row] = []
    for line, values, problem in readers[format or _format_of(name, text)](text):
        if len(rows) == MAX_ROWS:
            raise BatchFileError(_("A file may have at most %s rows. Split it up.") % MAX_ROWS, line)
        rows.append(Row(len(rows) + 1, line, values, problem))
    if not rows:
        raise BatchFileError(_("This file has no rows."))
    return rows


def digest(rows: list[Row]) -> str:
    """Return the SHA-256 of the rows, which identifies a batch. Comments, blank lines and the format do not count."""
    content = [[{_DIGESTED.get(name, name): row.values[name] for name in row.values}, row.problem] for row in rows]
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def printable(text: object) -> str:
    """Return `text` with control and unprintable characters escaped, safe to print on a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))


def _decode(data: bytes) -> str:
    """Decode a file. Invalid UTF-8 bytes are kept as lone surrogates and reported with their row."""
    if len(data) > MAX_BYTES:
        raise BatchFileError(_("A file may be at most %s MiB. Split it up.") % (MAX_BYTES // 2**20))
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BatchFileError(_("This is UTF-16 text. Save it as UTF-8."))
    return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")


def _format_of(name: str, text: str) -> str:
    """Return the format of a file, by the suffix of its name or else by its first line."""
    if known := _SUFFIXES.get(PurePath(name).suffix.lower()):
        return known
    first = next((line.strip() for _number, line in _lines(text) if line.strip()), "")
    if first.startswith("{"):
        return "jsonl"
    names = {_column(cell) for cell in re.split(f"[{_DELIMITERS}]", first)}
    return "csv" if "prompt" in names and names <= {*COLUMNS, *RENAMED} else "text"


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Return (number, line) pairs without line ends; str.splitlines would also split at separators within a prompt."""
    return enumerate((line.rstrip("\n") for line in io.StringIO(text, newline=None)), start=1)


def _unreadable(line: str) -> str:
    """Return why a line is not valid text, or ''."""
    if found := _ESCAPED_BYTE.search(line):
        byte = f"0x{ord(found[0]) - 0xDC00:02X}"
        return _("This is not UTF-8 text (byte %s). Save the file as UTF-8.") % byte
    if "\0" in line:
        return str(_("This line contains a NUL byte, so this is not a text file, or not in UTF-8."))
    return ""


_Found = Iterator[tuple[int, dict[str, Any], str]]  # (line, values, problem)


def _read_text(text: str) -> _Found:
    for number, line in _lines(text):
        prompt = line.strip()
        if problem := _unreadable(line):
            yield number, {}, problem
        elif prompt and not prompt.startswith("#"):
            yield number, {"prompt": prompt}, ""


def _read_json_lines(text: str) -> _Found:
    for number, line in _lines(text):
        if problem := _unreadable(line):
            yield number, {}, problem
        elif line.strip():
            yield number, *_json_object(line)


def _json_object(line: str) -> tuple[dict[str, Any], str]:
    """Return (values, problem) for a line of JSON."""
    try:
        value = json.loads(line, object_pairs_hook=_unique, parse_constant=_refuse_constant)
    except _Refused as error:
        return {}, str(error)
    except json.JSONDecodeError as error:
        problem = _("This is not JSON (%(error)s at character %(place)s).")
        return {}, problem % {"error": error.msg.removesuffix(" at"), "place": error.pos + 1}
    except ValueError:  # more digits than Python converts to int
        return {}, str(_("This line contains a number that is too long."))
    except RecursionError:
        return {}, str(_("This is too deeply nested."))
    if isinstance(value, dict):
        return value, ""
    return {}, str(_('This must be a JSON object on one line, such as {"prompt": "a red heart rising"}.'))


class _Refused(ValueError):
    """Well-formed JSON that is not accepted."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(_("The field %s appears twice.") % twice[:50])
    return values


def _refuse_constant(name: str) -> None:
    raise _Refused(_("%s is not a number.") % name)


def _read_csv(text: str) -> _Found:
    records = _records(text)
    start, header = next(records, (1, []))
    columns = _check_header(header, start) if header else []
    for line, cells in records:
        if problem := next(filter(None, map(_unreadable, cells)), ""):
            yield line, {}, problem
        elif len(cells) != len(columns):
            message = _("This row has %(cells)s cells, but the header has %(columns)s.")
            yield line, {}, message % {"cells": len(cells), "columns": len(columns)}
        else:
            yield line, {name: cell for name, cell in zip(columns, cells, strict=True) if cell}, ""


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, cells) for every non-blank CSV row; a quoted cell may span several lines."""
    first = next((line for _number, line in _lines(text) if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = [cell.strip() for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            problem = _("The quotes in this row do not match (%s), so nothing after it can be read.")
            raise BatchFileError(problem % error, line) from None
        if any(cells):
            yield line, cells


def _column(cell: str) -> str:
    return cell.strip().strip('"').strip().lower()


def _check_header(cells: list[str], line: int) -> list[str]:
    """Return the column names in order, or raise BatchFileError."""
    columns = [_column(cell) for cell in cells]
    for place, name in enumerate(columns, start=1):
        if not name:
            raise BatchFileError(_("Column %s has no name.") % place, line)
        if name not in COLUMNS and name not in RENAMED:
            message = _("There is no column named %(name)s. The first line names the columns: %(columns)s.")
            raise BatchFileError(message % {"name": printable(name[:50]), "columns": ", ".join(COLUMNS)}, line)
        if columns.count(name) > 1:
            raise BatchFileError(_("The column %s appears twice.") % name, line)
    if "prompt" not in columns:
        raise BatchFileError(_("There must be a column named prompt."), line)
    return columns

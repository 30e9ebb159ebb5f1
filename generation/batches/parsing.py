"""Parser of batch files: turns text, CSV or JSON into rows, with errors by line number (docs/batch.md).

Nothing here touches the database; `requests.request.parse` validates the values.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import PurePath
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.batches.command_lines import is_command, read_command
from generation.batches.csv_rows import names_in, read_csv
from generation.batches.json_rows import is_json, read_json
from generation.batches.lines import (
    MAX_BYTES,
    BatchFileError,
    Found,
    decode,
    first_line,
    lines_of,
    printable,
    unreadable,
)
from generation.requests.fields import FIELDS, RENAMED

__all__ = ["FORMATS", "MAX_BYTES", "MAX_ROWS", "BatchFileError", "Row", "decode", "digest", "printable", "read_rows"]

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
        BatchFileError: the file is too large, has no or too many rows, or a malformed header or quotes.
    """
    text = decode(data)
    readers = {"text": _read_text, "csv": _read_csv, "jsonl": read_json}
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


def _format_of(name: str, text: str) -> str:
    """Return the format of a file, by the suffix of its name or else by its first line."""
    if known := _SUFFIXES.get(PurePath(name).suffix.lower()):
        return known
    first = first_line(text)
    if is_json(first):
        return "jsonl"
    names = names_in(first)
    return "csv" if "prompt" in names and names <= {*COLUMNS, *RENAMED} else "text"


def _read_text(text: str) -> Found:
    for number, line in lines_of(text):
        prompt = line.strip()
        if problem := unreadable(line):
            yield number, {}, problem
        elif prompt and not prompt.startswith("#"):
            yield number, *(read_command(prompt) if is_command(prompt) else ({"prompt": prompt}, ""))


def _read_csv(text: str) -> Found:
    return read_csv(text, {*COLUMNS, *RENAMED}, ", ".join(COLUMNS))

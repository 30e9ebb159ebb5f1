"""Rows as JSON: an object per line, or one array of objects."""

import json
import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.batches.lines import MAX_FIELDS, MAX_LINE, BatchFileError, Found, first_line, lines_of, unreadable

_SPACE = re.compile(r"[ \t\r\n]*")
_MAX_DEPTH = 3  # of lists in a field; camera motions have two
_CHOICE = re.compile(r'\{[^"]*\|')  # an object has a quote before anything else
_ARRAY = re.compile(r"\[\s*(\{|$)")  # not a prompt that begins with a bracket


class _Refused(ValueError):
    """Well-formed JSON that is not accepted."""


def is_json(first_line: str) -> bool:
    """Return whether a file without a suffix is JSON, by its first line. `{red|blue} hearts` is a prompt."""
    if first_line.startswith("{"):
        return _CHOICE.match(first_line) is None
    return _ARRAY.match(first_line) is not None


def read_json(text: str) -> Found:
    """Yield the rows of JSON Lines; of an array, or of objects that span lines, if the text begins like that."""
    first = first_line(text)
    return _read_values(text, is_array=first[:1] == "[") if first[:1] == "[" or first == "{" else _read_lines(text)


def _read_lines(text: str) -> Found:
    for number, line in lines_of(text):
        if problem := unreadable(line):
            yield number, {}, problem
        elif line.strip():
            yield number, *_row(line)


def _read_values(text: str, *, is_array: bool) -> Found:
    """Yield a row per value, one by one: a file of too many is not read to its end."""
    for line, part in _parts(text, is_array=is_array):
        if problem := unreadable(part):
            yield line, {}, problem
        else:
            yield line, *_row(part)


def _parts(text: str, *, is_array: bool) -> Iterator[tuple[int, str]]:
    """Yield (line, JSON) of each value.

    Raises:
        BatchFileError: what follows is not JSON, so the rest cannot be told apart.
    """
    place, line = text.index("[") + 1 if is_array else 0, 1
    line += text.count("\n", 0, place)
    while True:
        start = _skip(text, place)
        line += text.count("\n", place, start)
        if start == len(text) and not is_array:
            return
        if is_array and text[start : start + 1] == "]":
            after = _skip(text, start + 1)
            if after < len(text):
                raise BatchFileError(
                    _("There is more after the end of the list."), line + text.count("\n", start, after)
                )
            return
        end = start + _length(text[start : start + MAX_LINE], line)
        yield line, text[start:end]
        line += text.count("\n", start, end)
        place = _skip(text, end)
        line += text.count("\n", end, place)
        if is_array and text[place : place + 1] == ",":
            place += 1
        elif is_array and text[place : place + 1] != "]":
            raise BatchFileError(_("There must be a comma or the end of the list here."), line)


def _skip(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _length(window: str, line: int) -> int:
    """Return how many characters the JSON value at the beginning of `window` has."""
    try:
        _value, end = _plain.raw_decode(window)
    except json.JSONDecodeError as error:
        if len(window) == MAX_LINE:
            raise BatchFileError(_("This row is too long: at most %s characters.") % MAX_LINE, line) from None
        raise BatchFileError(_not_json(error), line) from None
    except ValueError:
        raise BatchFileError(_("This line contains a number that is too long."), line) from None
    except RecursionError:
        raise BatchFileError(_("This is too deeply nested."), line) from None
    return end


def _row(text: str) -> tuple[dict[str, Any], str]:
    """Return (values, problem) of one JSON value."""
    try:
        value = _decoder.decode(text)
    except _Refused as error:
        return {}, str(error)
    except json.JSONDecodeError as error:
        return {}, _not_json(error)
    except ValueError:  # more digits than Python converts to int
        return {}, str(_("This line contains a number that is too long."))
    except RecursionError:
        return {}, str(_("This is too deeply nested."))
    if isinstance(value, dict):
        is_deep = any(_is_deeper(each, _MAX_DEPTH) for each in value.values())
        return ({}, str(_("This is too deeply nested."))) if is_deep else (value, "")
    return {}, str(_('This must be a JSON object on one line, such as {"prompt": "a red heart rising"}.'))


def _is_deeper(value: Any, depth: int) -> bool:
    """Return whether lists or objects in `value` contain others more than `depth` levels down."""
    if not isinstance(value, list | dict):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_is_deeper(part, depth - 1) for part in parts)


def _not_json(error: json.JSONDecodeError) -> str:
    problem = _("This is not JSON (%(error)s at character %(place)s).")
    return problem % {"error": error.msg.removesuffix(" at"), "place": error.pos + 1}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MAX_FIELDS:
        raise _Refused(_("This row has too many fields: at most %s.") % MAX_FIELDS)
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name in values:
            raise _Refused(_("The field %s appears twice.") % name[:50])
        values[name] = value
    return values


def _refuse_constant(name: str) -> None:
    raise _Refused(_("%s is not a number.") % name)


_plain = json.JSONDecoder()
_decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)

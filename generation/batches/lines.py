"""The text of a batch file and its lines, with bounds that are checked before anything is parsed."""

import codecs
import io
import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from auravideo.languages import LANGUAGES

MAX_BYTES = 10 * 2**20
MAX_LINES = 100_000  # blank ones and comments included
MAX_LINE = 64 * 2**10  # characters; a row with the longest prompts, every character escaped, has 24,000
MAX_FIELDS = 64  # of one row; there are not even half as many

Found = Iterator[tuple[int, dict[str, Any], str]]  # (line, values, problem)

_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")  # a byte that is not UTF-8, as decoded by 'surrogateescape'
_BEYOND_ASCII = re.compile("[^\0-\x7f\udc80-\udcff]")
_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")
# Letters of Windows-1250 (ą ł ż ź Ą Ł Ż Ľ ş) where Windows-1252 has signs that are part of no word.
_SIGN_IN_WORD = re.compile(r"[^\W\d_][¹³¿¥£¯¼¾º]|[¹³¿¥£¯¼¾º][^\W\d_]")


class BatchFileError(ValueError):
    """The file cannot be used. `text` says why; `line` counts from 1, None if it concerns the whole file."""

    def __init__(self, text: Any, line: int | None = None) -> None:
        self.line = line
        self.text = str(text)
        super().__init__(str(text) if line is None else f"line {line}: {text}")


def decode(data: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16 with its mark, or what Excel saves in Central or Western Europe.

    Other bytes are kept as lone surrogates and reported with their row.

    Raises:
        BatchFileError: the file is too large, or has too many lines.
    """
    if len(data) > MAX_BYTES:
        raise BatchFileError(_("A file may be at most %s MiB. Split it up.") % (MAX_BYTES // 2**20))
    text = _decoded(data)
    if max(text.count("\n"), text.count("\r")) > MAX_LINES:
        raise BatchFileError(_("A file may have at most %s lines. Split it up.") % MAX_LINES)
    return text


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError:
            raise BatchFileError(_("This is UTF-16 text with an error in it. Save it as UTF-8.")) from None
    text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    return text if _is_utf8(text) or _NO_TEXT.search(data) else _in_code_page(data) or text


def _is_utf8(text: str) -> bool:
    """Return whether the text is UTF-8, even if a byte of it is damaged."""
    return not _ESCAPED_BYTE.search(text) or _BEYOND_ASCII.search(text) is not None


def _in_code_page(data: bytes) -> str:
    """Return the text in the code page of Windows that fits; '' if none does."""
    found = []
    for name in ("cp1252", "cp1250"):
        try:
            found.append(data.decode(name))
        except UnicodeDecodeError:
            found.append("")
    western, central = found
    is_central = not western or _SIGN_IN_WORD.search(western) or _is_central_european()
    return central if central and is_central else western


def _is_central_european() -> bool:
    """Return whether the reader's language is written in that code page."""
    code = get_language() or ""
    return any(language.code_page == "cp1250" for language in LANGUAGES if code.startswith(language.code))


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Return (number, line) pairs without line ends; str.splitlines would also split at separators within a prompt."""
    return enumerate((line.rstrip("\n") for line in io.StringIO(text, newline=None)), start=1)


def first_line(text: str) -> str:
    """Return the first line that is not blank, '' if there is none."""
    return next((line.strip() for _number, line in lines_of(text) if line.strip()), "")


def unreadable(line: str) -> str:
    """Return why a line is not valid text, or ''."""
    if len(line) > MAX_LINE:
        return _("This line is too long: at most %s characters.") % MAX_LINE
    if found := _ESCAPED_BYTE.search(line):
        byte = f"0x{ord(found[0]) - 0xDC00:02X}"
        return _("This is not UTF-8 text (byte %s). Save the file as UTF-8.") % byte
    if "\0" in line:
        return str(_("This line contains a NUL byte, so this is not a text file, or not in UTF-8."))
    return ""


def printable(text: object) -> str:
    """Return `text` with control and unprintable characters escaped, safe to print on a terminal."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(text))

"""Numbers, text and pairs as people, spreadsheets and other programs write them."""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

_DECIMAL_COMMA = re.compile(r"[+-]?\d{1,15},\d{1,15}")
_WEIGHT_COMMA = re.compile(r"(:\s*-?\d{1,3}),(?=\d{1,9}\s*(?:[,;]|$))")


def whole_number(value: Any) -> int | None:
    """Return `value` as an int if lossless (24, 24.0, '24', and '24.0' or '24,0' as in spreadsheets), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = re.fullmatch(r"(-?[0-9]{1,30})(\.0{1,6}|,0)?", value.strip())
        return int(match[1]) if match else None
    if isinstance(value, float) and not value.is_integer():
        return None
    return int(value) if isinstance(value, int | float) else None


def decimal_number(value: Any) -> float:
    """Return `value` as a float if it is a number in a float's range (7.5, '7.5', '7,5', '1e1'), else NaN."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.nan
    if isinstance(value, str) and (not value.isascii() or "_" in value):
        return math.nan
    if isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value.strip()):
        value = value.replace(",", ".")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return math.nan


def is_blank(value: str) -> bool:
    """Return whether `value` has no visible characters, only white space, joiners and direction marks."""
    return all(unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cc", "Cf") for character in value)


def has_surrogates(value: str) -> bool:
    """Return whether `value` contains a lone surrogate, which cannot be stored as UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in value)


def lora_pairs(value: Any) -> tuple[tuple[str, float], ...]:
    """Return (ID, weight) pairs from 'zoom-in:0.8, pan-left', [['zoom-in', 0.8], ...] or {'zoom-in': 0.8}.

    Where decimals have commas, 'zoom-in:0,8; pan-left' does as well.

    A missing weight is 1; one that is not a number is NaN. Raises TypeError or ValueError for anything else.
    """
    if isinstance(value, str):
        value = _WEIGHT_COMMA.sub(r"\1.", value).replace(";", ",")
        value = [part.partition(":")[::2] for part in value.split(",") if part.strip()]
    elif isinstance(value, Mapping):
        value = value.items()
    return tuple((str(id).strip(), decimal_number(weight) if weight != "" else 1.0) for id, weight in value)

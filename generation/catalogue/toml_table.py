"""A strict reader of one TOML table: every field is named, typed and bounded, and errors say where they are."""

from collections.abc import Mapping
from typing import Any

_MISSING = object()


class CatalogueError(ValueError):
    """The catalogue is invalid; the message names the file, the entry, the field and what is expected."""


class Table:
    """One entry's fields. Each reader consumes its field; `done()` rejects what is left.

    Args:
        where: prefix of error messages, such as "catalogue.toml: models 'tiny'".
        fields: the parsed TOML table.
    """

    def __init__(self, where: str, fields: Mapping[str, Any]) -> None:
        self.where = where
        self._fields = dict(fields)
        self._known: set[str] = set()

    def error(self, field: str, problem: str) -> CatalogueError:
        """Return the error to raise for `field`."""
        return CatalogueError(f"{self.where}: field '{field}' {problem}")

    def _take(self, field: str, default: Any) -> Any:
        self._known.add(field)
        value = self._fields.pop(field, default)
        if value is _MISSING:
            raise self.error(field, "is missing")
        return value

    def peek(self, field: str) -> Any:
        """Return the value of a field that is not read yet, as it is; None if it is not given."""
        return self._fields.get(field)

    def text(self, field: str, default: Any = _MISSING, choices: tuple[str, ...] = ()) -> Any:
        """Return a non-empty string, one of `choices` if given; `default` is returned as is."""
        value = self._take(field, default)
        if value is default:
            return value
        if not isinstance(value, str) or not value.strip():
            raise self.error(field, f"must be a text that is not empty, not {value!r}")
        if choices and value not in choices:
            raise self.error(field, f"must be one of {', '.join(choices)}, not {value!r}")
        return value.strip()

    def integer(self, field: str, low: int, high: int, default: Any = _MISSING) -> Any:
        """Return an integer between `low` and `high`, inclusive."""
        value = self._take(field, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(field, f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    def number(self, field: str, low: float, high: float, default: Any = _MISSING) -> Any:
        """Return a number between `low` and `high`, inclusive (so never NaN)."""
        value = self._take(field, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.error(field, f"must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    def flag(self, field: str, default: bool) -> bool:
        """Return a boolean; nothing else is accepted."""
        value = self._take(field, default)
        if not isinstance(value, bool):
            raise self.error(field, f"must be true or false, not {value!r}")
        return value

    def texts(self, field: str, default: Any = _MISSING) -> tuple[str, ...]:
        """Return a list of non-empty strings, as a tuple."""
        value = self._take(field, default)
        if value is default:
            return value
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise self.error(field, f"must be a list of texts, not {value!r}")
        return tuple(value)

    def mapping(self, field: str, default: Any = _MISSING) -> Any:
        """Return a table, as a plain dict."""
        value = self._take(field, default)
        if value is default:
            return value
        if not isinstance(value, dict):
            raise self.error(field, f"must be a table, not {value!r}")
        return dict(value)

    def done(self) -> None:
        """Raise `CatalogueError` if an unknown field is left, usually a typo."""
        for field in self._fields:
            raise self.error(field, f"is not known here; there are {', '.join(sorted(self._known))}")

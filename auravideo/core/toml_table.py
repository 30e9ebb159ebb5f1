"""Reads one table of a TOML file strictly: every field is named, typed and bounded, and an error says where it is."""

from collections.abc import Mapping
from typing import Any

_MISSING = object()


class CatalogueError(ValueError):
    """The catalogue cannot be used; the text names the file, the entry and the field, and what is needed there."""


class Table:
    """One entry's fields. Each reader takes the field away; `done()` complains about what nobody asked for.

    Args:
        where: the entry, as a message begins with it ("catalogue.toml: models 'tiny'").
        fields: what the TOML file says.
    """

    def __init__(self, where: str, fields: Mapping[str, Any]) -> None:
        self.where = where
        self._fields = dict(fields)
        self._known: set[str] = set()

    def error(self, field: str, problem: str) -> CatalogueError:
        """The error that says what is wrong with `field`, to be raised by the caller."""
        return CatalogueError(f"{self.where}: field '{field}' {problem}")

    def _take(self, field: str, default: Any) -> Any:
        self._known.add(field)
        value = self._fields.pop(field, default)
        if value is _MISSING:
            raise self.error(field, "is missing")
        return value

    def text(self, field: str, default: Any = _MISSING, choices: tuple[str, ...] = ()) -> Any:
        """A non-empty string (one of `choices`, when given); `default` is returned as it is."""
        value = self._take(field, default)
        if value is default:
            return value
        if not isinstance(value, str) or not value.strip():
            raise self.error(field, f"must be a text that is not empty, not {value!r}")
        if choices and value not in choices:
            raise self.error(field, f"must be one of {', '.join(choices)}, not {value!r}")
        return value.strip()

    def integer(self, field: str, low: int, high: int, default: Any = _MISSING) -> Any:
        """A whole number between `low` and `high`, both included."""
        value = self._take(field, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(field, f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    def number(self, field: str, low: float, high: float, default: Any = _MISSING) -> Any:
        """A number between `low` and `high`, both included (NaN is neither)."""
        value = self._take(field, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise self.error(field, f"must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    def flag(self, field: str, default: bool) -> bool:
        """true or false, and nothing else."""
        value = self._take(field, default)
        if not isinstance(value, bool):
            raise self.error(field, f"must be true or false, not {value!r}")
        return value

    def texts(self, field: str, default: Any = _MISSING) -> tuple[str, ...]:
        """A list of strings that are not empty."""
        value = self._take(field, default)
        if value is default:
            return value
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            raise self.error(field, f"must be a list of texts, not {value!r}")
        return tuple(value)

    def mapping(self, field: str, default: Any = _MISSING) -> Any:
        """A table, as a plain dict."""
        value = self._take(field, default)
        if value is default:
            return value
        if not isinstance(value, dict):
            raise self.error(field, f"must be a table, not {value!r}")
        return dict(value)

    def done(self) -> None:
        """Raise `CatalogueError` if a field is left that no reader took: most often a misspelling."""
        for field in self._fields:
            raise self.error(field, f"is not known here; there are {', '.join(sorted(self._known))}")

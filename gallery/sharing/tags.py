"""Tag parsing. Pure functions."""

import re
import unicodedata
from dataclasses import dataclass

MAX_TAGS = 10
MAX_LENGTH = 30
_BETWEEN = re.compile(r"[\s,;]+")
_TAG = re.compile(r"[^\W_]+(?:-[^\W_]+)*")  # letters and digits of any script, hyphens only between them


@dataclass(frozen=True)
class Typed:
    """A parsed line of tags: distinct and in order, with the words that are not valid tags."""

    tags: tuple[str, ...]
    too_long: tuple[str, ...]
    malformed: tuple[str, ...]

    @property
    def is_too_many(self) -> bool:
        return len(self.tags) > MAX_TAGS


def read(text: str) -> Typed:
    """Parse tags separated by commas, semicolons or white space; lower-case them and drop a leading #."""
    words = [word.removeprefix("#") for word in _BETWEEN.split(unicodedata.normalize("NFKC", text).lower())]
    words = list(dict.fromkeys(filter(None, words)))
    formed = [word for word in words if _TAG.fullmatch(word)]
    return Typed(
        tags=tuple(word for word in formed if len(word) <= MAX_LENGTH),
        too_long=tuple(word for word in formed if len(word) > MAX_LENGTH),
        malformed=tuple(word for word in words if word not in formed),
    )


def one(text: str) -> str:
    """Return the single tag named in a URL; "" if it is not a valid one."""
    found = read(text[: 4 * MAX_LENGTH]).tags
    return found[0] if len(found) == 1 else ""

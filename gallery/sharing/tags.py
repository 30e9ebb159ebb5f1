"""The words that people file videos under, read from what was typed. Pure."""

import re
import unicodedata
from dataclasses import dataclass

MAX_TAGS = 10
MAX_LENGTH = 30
_BETWEEN = re.compile(r"[\s,;]+")
_TAG = re.compile(r"[^\W_]+(?:-[^\W_]+)*")  # letters and digits of any language, with hyphens between them


@dataclass(frozen=True)
class Typed:
    """What a line of tags holds: each once, in order; and the words that can be none."""

    tags: tuple[str, ...]
    too_long: tuple[str, ...]
    malformed: tuple[str, ...]

    @property
    def is_too_many(self) -> bool:
        return len(self.tags) > MAX_TAGS


def read(text: str) -> Typed:
    """The tags in `text`, between commas or white space, in lower case; a leading # is how many people write one."""
    words = [word.removeprefix("#") for word in _BETWEEN.split(unicodedata.normalize("NFKC", text).lower())]
    words = list(dict.fromkeys(filter(None, words)))
    formed = [word for word in words if _TAG.fullmatch(word)]
    return Typed(
        tags=tuple(word for word in formed if len(word) <= MAX_LENGTH),
        too_long=tuple(word for word in formed if len(word) > MAX_LENGTH),
        malformed=tuple(word for word in words if word not in formed),
    )


def one(text: str) -> str:
    """The one tag that an address names; "" where it is none."""
    found = read(text[: 4 * MAX_LENGTH]).tags
    return found[0] if len(found) == 1 else ""

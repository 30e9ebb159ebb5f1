"""What a prompt contains that cannot be understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Problem:
    """One thing that is not understood: an ID, and values for the placeholders of its text (requests/prompts.py)."""

    id: str
    values: Mapping[str, str] = field(default_factory=dict, hash=False)


# These can be rendered all the same: the rest of the prompt keeps its meaning.
HARMLESS = frozenset({"lora-tag", "bracket-alone", "and-word"})


class BadTemplate(ValueError):
    """A template from which nothing can be drawn."""

    def __init__(self, id: str, **values: object) -> None:
        self.problem = Problem(id, {name: str(value) for name, value in values.items()})
        super().__init__(f"{id}: {self.problem.values}")


def quoted(text: str, most: int = 40) -> str:
    """Return the beginning of `text` in one line, for a message."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"

"""Weighted prompts in the dialect of Automatic1111's web UI.

`(word)` weighs 1.1 times as much, `(word:1.3)` 1.3 times, `[word]` 1/1.1 times; brackets in brackets multiply. `BREAK`
begins a new chunk for the text encoder. `\\(` is a bracket of the text.
"""

import re
from dataclasses import dataclass

from generation.domain.prompt_syntax.brackets import MAX_DEPTH, TAG, Brackets, find_brackets, without_escapes
from generation.domain.prompt_syntax.problems import Problem, quoted

STEP = 1.1  # what a pair of brackets multiplies or divides by
MAX_WEIGHT = 3.0  # pictures fall apart before; others clamp here, too
MAX_BREAKS = 8

_BREAK = re.compile(
    r"\bBREAK\b"
)  # without the white space around it, of which a long run would be read again and again
_AND = re.compile(r"\bAND\b")
_GIVEN = re.compile(r":\s*([+-]?(?:\d{1,4}(?:[.,]\d{0,6})?|[.,]\d{1,6}))\s*\Z")
_LONGEST = 24  # characters of a weight, with its colon and white space
_STEPS = re.compile(r":\s*\d{0,4}(?:\.\d{1,4})?\s*\Z")  # `[red:blue:0.5]`: at which step the prompt changes


@dataclass(frozen=True)
class Fragment:
    """A piece of text and its weight, 0 to `MAX_WEIGHT`."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True)
class Weighted:
    """A prompt as read: its `chunks`, at least one, and what was not understood."""

    chunks: tuple[tuple[Fragment, ...], ...]
    problems: tuple[Problem, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Return whether it is one chunk of text without weights."""
        return len(self.chunks) == 1 and not self.has_weights

    @property
    def has_weights(self) -> bool:
        return any(fragment.weight != 1 for chunk in self.chunks for fragment in chunk)

    @property
    def plain(self) -> str:
        """Return the text alone."""
        return self.text()

    def text(self, least: float = 0.0) -> str:
        """Return the text of all fragments that weigh at least so much."""
        return " ".join("".join(one.text for one in chunk if one.weight >= least) for chunk in self.chunks)


def read_weights(text: str) -> Weighted:
    """Return the fragments of a prompt with their weights, clamped to 0..`MAX_WEIGHT`."""
    brackets = find_brackets(text)
    reader = _Reader(text, brackets)
    reader.read()
    return Weighted(_chunks(reader.fragments), tuple(reader.problems.values()))


class _Reader:
    def __init__(self, text: str, brackets: Brackets) -> None:
        self.text, self.brackets = text, brackets
        self.fragments: list[Fragment] = []
        self.problems: dict[str, Problem] = {}  # the first of each kind
        self._begun = 0  # where the present piece of text begins
        self._weights = [1.0]
        self._closing: list[tuple[int, int]] = []  # where the content of an open pair ends, and where the pair does

    def read(self) -> None:
        if self.brackets.is_too_deep:
            self._complain("brackets-deep", most=MAX_DEPTH)
        for start in self.brackets.alone[:1]:
            self._complain(
                "bracket-alone", bracket=self.text[start], near=quoted(self.text[max(0, start - 12) : start + 12])
            )
        if (found := _AND.search(self.text)) and not self.text.isupper():
            self._complain("and-word", near=quoted(self.text[max(0, found.start() - 12) : found.end() + 12]))
        for place in sorted((*self.brackets.ends, *self.brackets.tags)):
            self._close_before(place)
            if place in self.brackets.tags:
                self._skip_tag(place)
            else:
                self._open(place)
        self._close_before(len(self.text) + 1)
        self._take(len(self.text))
        if len(_BREAK.findall(self.text)) > MAX_BREAKS:
            self._complain("break-many", most=MAX_BREAKS)

    def _complain(self, id: str, **values: object) -> None:
        self.problems.setdefault(id, Problem(id, {name: str(value) for name, value in values.items()}))

    def _take(self, end: int) -> None:
        """Take the text up to `end` with the present weight."""
        if self._begun < end:
            self.fragments.append(Fragment(self.text[self._begun : end], min(self._weights[-1], MAX_WEIGHT)))

    def _skip_tag(self, start: int) -> None:
        self._take(start)
        self._begun = self.brackets.tags[start]
        if tag := TAG.match(self.text, start):
            self._complain("lora-tag", tag=quoted(tag[0]), name=quoted(tag[2]))

    def _open(self, start: int) -> None:
        self._take(start)
        self._begun = start + 1
        end = self.brackets.ends[start]
        given = _GIVEN.search(self.text, max(start + 1, end - _LONGEST), end) if self.text[start] == "(" else None
        factor = STEP if self.text[start] == "(" else 1 / STEP
        if given and self.text[given.start() - 1] != "\\":
            factor = self._checked(float(given[1].replace(",", ".")), start, end)
            self._closing.append((given.start(), end))
        else:
            if self.text[start] == "[":
                self._refuse_editing(start, end)
            self._closing.append((end, end))
        weight = self._weights[-1] * factor
        if weight > MAX_WEIGHT and factor <= MAX_WEIGHT:
            self._complain_of_weight(f"{weight:.1f}", start, end)
        self._weights.append(weight)

    def _checked(self, weight: float, start: int, end: int) -> float:
        if not 0 <= weight <= MAX_WEIGHT:
            self._complain_of_weight(f"{weight:g}", start, end)
        return min(max(weight, 0.0), MAX_WEIGHT)

    def _complain_of_weight(self, weight: str, start: int, end: int) -> None:
        self._complain("weight-range", weight=weight, text=quoted(self.text[start : end + 1]), most=f"{MAX_WEIGHT:g}")

    def _refuse_editing(self, start: int, end: int) -> None:
        """Report `[red:blue:0.5]` and `[red|blue]`, which change the prompt while a picture is made."""
        tail = self.text[max(start + 1, end - _LONGEST) : end]
        if _STEPS.search(tail) or "|" in self.text[start + 1 : min(end, start + 200)]:
            self._complain("prompt-editing", text=quoted(self.text[start : end + 1]))

    def _close_before(self, place: int) -> None:
        while self._closing and self._closing[-1][1] < place:
            content, end = self._closing.pop()
            self._take(content)
            self._weights.pop()
            self._begun = end + 1


def _chunks(fragments: list[Fragment]) -> tuple[tuple[Fragment, ...], ...]:
    """Split fragments at BREAK, join neighbours of one weight, and undo escapes."""
    chunks: list[list[Fragment]] = [[]]
    for fragment in fragments:
        texts = _BREAK.split(fragment.text)
        for number, part in enumerate(texts):
            text = part.lstrip() if number else part
            text = text.rstrip() if number < len(texts) - 1 else text
            if number and any(chunks[-1]) and len(chunks) <= MAX_BREAKS:
                chunks.append([])
            if not text:
                continue
            last = chunks[-1]
            if last and last[-1].weight == fragment.weight:
                last[-1] = Fragment(last[-1].text + (" " if number else "") + text, fragment.weight)
            else:
                last.append(Fragment(text, fragment.weight))
    kept = [chunk for chunk in chunks if chunk] or [[Fragment("")]]
    return tuple(tuple(Fragment(without_escapes(one.text), one.weight) for one in chunk) for chunk in kept)

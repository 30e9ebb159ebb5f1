"""Templates: `{red|blue}` is one of two, `{2$$a|b|c}` two of three, and `__name__` a line of the operator's list.

A template has a number of drawings, and a seed draws one of them: the same seed the same one. As many seeds in a row
as a template has drawings give each of them once, and a choice's options take turns.
"""

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import combinations

from generation.domain.prompt_syntax.problems import BadTemplate, quoted

MAX_DEPTH = 8  # choices in choices
MAX_BITS = 4096  # of the number of drawings
MAX_SOME = 500  # ways to take some of the options, of all choices of a text together
MAX_DRAWN = 200_000  # characters: lists that name lists that name lists would fill the memory

Lists = Callable[[str], "Node"]
"""Returns the choice of a list's lines. Raises KeyError if there is none with this name, BadTemplate if it is wrong."""

SIGN_OF_LIST = "__"
_SIGN = re.compile(r"[\\{}|]|__(?=[^\W_])")
_NAME = re.compile(r"__([^\W_](?:[\w/-]{0,98}?[^\W_])?)__")
_SOME = re.compile(r"\s*(\d{1,2})(?:-(\d{1,2}))?\$\$(?:([^${}|]{0,20})\$\$)?")
_DIRECTLY = 2**20  # seeds in a row are neighbours up to so many drawings; beyond, they are spread over all of them
_SPREAD = (5**0.5 - 1) / 2  # the golden ratio: multiples of it lie as evenly as can be


@dataclass(frozen=True)
class Text:
    """A text without choices."""

    text: str
    count: int = 1

    @property
    def longest(self) -> int:
        """Return how many characters a drawing has at most, as the other kinds of node do."""
        return len(self.text)

    def at(self, _index: int) -> str:
        return self.text


@dataclass(frozen=True)
class Row:
    """Parts one after the other."""

    parts: tuple["Node", ...]
    count: int = field(init=False)
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", _bounded(math.prod(part.count for part in self.parts)))
        object.__setattr__(self, "longest", _short(sum(part.longest for part in self.parts)))

    def at(self, index: int) -> str:
        """Return the drawing at an index, 0 to `count` - 1: its digits, in a mixed radix, say what each part is.

        Each digit is shifted by those before it, so that all parts change from one index to the next.
        """
        places = [0] * len(self.parts)
        shift = 0
        for number in sorted(range(len(self.parts)), key=lambda number: -self.parts[number].count):
            count = self.parts[number].count
            index, digit = divmod(index, count)
            places[number] = (digit + shift) % count
            shift += digit
        return "".join(part.at(place) for part, place in zip(self.parts, places, strict=True))


@dataclass(frozen=True)
class Choice:
    """One of several options."""

    options: tuple["Node", ...]
    count: int = field(init=False)
    longest: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", _bounded(sum(option.count for option in self.options)))
        object.__setattr__(self, "longest", max(option.longest for option in self.options))

    def at(self, index: int) -> str:
        """Return the drawing at an index: in each round every option that has another drawing gives one."""
        if self.count == len(self.options):
            return self.options[index].at(0)
        done = 0  # drawings of each option in earlier rounds
        left = self.options
        while True:
            rounds = min(option.count for option in left) - done
            if index < rounds * len(left):
                return left[index % len(left)].at(done + index // len(left))
            index -= rounds * len(left)
            done += rounds
            left = tuple(option for option in left if option.count > done)


Node = Text | Row | Choice


def read_template(text: str, lists: Lists | None = None) -> Node:
    """Return a prompt as written, as a tree of texts and choices.

    Braces without a `|` are text. Escapes stay in the texts: what is drawn can be read again and is then the same.

    Args:
        lists: without, the names of lists are text.

    Raises:
        BadTemplate: a choice does not end, a list is not there, or there is too much of something.
    """
    return _Reader(text, lists).read()


def draw(node: Node, seed: int) -> str:
    """Return what a seed draws from a template."""
    if node.count <= _DIRECTLY:
        return node.at(seed % node.count)
    return node.at(seed * _step(node.count) % node.count)


def drawings(node: Node, most: int) -> Iterator[str]:
    """Yield the drawings of a template, at most `most` of them, as seeds in a row give them."""
    return (draw(node, seed) for seed in range(min(node.count, most)))


def _bounded(count: int) -> int:
    """Return a number of drawings. Lists that name lists that name lists would make it endless."""
    if count.bit_length() > MAX_BITS:
        raise BadTemplate("choice-large")
    return count


def _short(length: int) -> int:
    """Return the length of a drawing. With lists of one line each, there is a single one, however long."""
    if length > MAX_DRAWN:
        raise BadTemplate("choice-large")
    return length


def _step(count: int) -> int:
    """Return a number without common factors with `count`, near its golden section."""
    step = int(count * _SPREAD) if count < 2**50 else count * int(_SPREAD * 2**40) // 2**40
    while math.gcd(step, count) > 1:
        step += 1
    return step


class _Reader:
    """Reads one text from left to right."""

    def __init__(self, text: str, lists: Lists | None) -> None:
        self.text, self.lists = text, lists
        self.depth = self.place = self.ways = 0

    def read(self) -> Node:
        parts: list[Node] = []
        while self.place < len(self.text):
            parts.append(self._row())
            if self.place < len(self.text):  # a sign that is text out here
                parts.append(Text(self.text[self.place]))
                self.place += 1
        return _row(parts)

    def _row(self) -> Node:
        """Read up to a `|` or `}`, or to the end."""
        parts: list[Node] = []
        while found := _SIGN.search(self.text, self.place):
            parts.append(Text(self.text[self.place : found.start()]))
            self.place = found.start()
            match found[0]:
                case "\\":
                    parts.append(Text(self.text[self.place : self.place + 2]))
                    self.place += 2
                case "{":
                    parts.append(self._braces())
                case "__":
                    parts.append(self._list())
                case _:
                    return _row(parts)
        parts.append(Text(self.text[self.place :]))
        self.place = len(self.text)
        return _row(parts)

    def _braces(self) -> Node:
        begin = self.place
        if self.depth == MAX_DEPTH:
            raise BadTemplate("choice-deep", most=MAX_DEPTH)
        self.depth += 1
        self.place += 1
        some = _SOME.match(self.text, self.place)
        if some:
            self.place = some.end()
        options = [self._row()]
        while self.text[self.place : self.place + 1] == "|":
            self.place += 1
            options.append(self._row())
        self.depth -= 1
        is_closed = self.text[self.place : self.place + 1] == "}"
        self.place += is_closed
        if len(options) == 1:  # no choice
            opening = self.text[begin : some.end() if some else begin + 1]
            return _row([Text(opening), options[0], Text("}" if is_closed else "")])
        if not is_closed:
            raise BadTemplate("choice-open", near=quoted(self.text[begin:], 20))
        return self._some_of(options, some) if some else Choice(tuple(options))

    def _some_of(self, options: list[Node], some: re.Match[str]) -> Node:
        """Return a choice of all ways to take so many options, in order, with a comma or what is given between."""
        least, most = int(some[1]), int(some[2] or some[1])
        between = Text(", " if some[3] is None else some[3])
        if not 0 < least <= most <= len(options):
            raise BadTemplate("choice-count", count=some[0].strip().removesuffix("$$"), options=len(options))
        self.ways += sum(math.comb(len(options), count) for count in range(least, most + 1))
        if self.ways > MAX_SOME:
            raise BadTemplate("choice-many", most=MAX_SOME)
        return Choice(
            tuple(
                _row([part for option in taken for part in (between, option)][1:])
                for count in range(least, most + 1)
                for taken in combinations(options, count)
            )
        )

    def _list(self) -> Node:
        found = _NAME.match(self.text, self.place)
        if found is None or self.lists is None:
            self.place += 2
            return Text("__")
        self.place = found.end()
        try:
            return self.lists(found[1])
        except KeyError:
            raise BadTemplate("list-unknown", name=found[1]) from None


def _row(parts: list[Node]) -> Node:
    """Return parts as one node; neighbouring texts become one."""
    joined: list[Node] = []
    for part in parts:
        if isinstance(part, Text) and joined and isinstance(joined[-1], Text):
            joined[-1] = Text(joined[-1].text + part.text)
        elif part != Text(""):
            joined.append(part)
    return joined[0] if len(joined) == 1 else Row(tuple(joined)) if joined else Text("")

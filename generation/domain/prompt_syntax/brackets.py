"""The brackets and escapes of a prompt: which character is syntax, and which one is text."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MAX_DEPTH = 20  # brackets within brackets

# Automatic1111's web UI writes networks into prompts: `<lora:name:0.8>`, `<lyco:...>`, `<hypernet:...>`.
TAG = re.compile(r"<(lora|lyco|hypernet):([^<>:\n]{1,200})(?::[^<>\n]{0,100})?>", re.IGNORECASE)
ESCAPED = frozenset("()[]{}|\\<>:_")  # a backslash before any other character is text
_CLOSES = {")": "(", "]": "["}
_SYNTAX = re.compile(r"[()\[\]|\\<]")


@dataclass(frozen=True)
class Brackets:
    """Where the syntax of a text is.

    `ends` maps the position of each opening bracket to that of its partner; `alone` are brackets without one, which are
    text. `tags` maps the start of each network tag to its end; `bars` are the `|` outside all brackets.
    """

    ends: Mapping[int, int]
    alone: tuple[int, ...]
    tags: Mapping[int, int]
    bars: tuple[int, ...]
    is_too_deep: bool


def find_brackets(text: str) -> Brackets:
    """Return the round and square brackets of `text`, in one pass."""
    ends: dict[int, int] = {}
    tags: dict[int, int] = {}
    alone: list[int] = []
    bars: list[int] = []
    opened: list[int] = []
    waiting = {"(": 0, "[": 0}
    is_too_deep = False
    place = 0
    while found := _SYNTAX.search(text, place):
        start = found.start()
        place, sign = start + 1, text[start]
        if sign == "\\":
            place += text[place : place + 1] in ESCAPED
        elif sign == "<":
            if tag := TAG.match(text, start):
                tags[start] = place = tag.end()
        elif sign == "|":
            bars.append(start)
        elif sign in waiting:
            if len(opened) < MAX_DEPTH:
                opened.append(start)
                waiting[sign] += 1
            else:
                is_too_deep = True
                alone.append(start)
        elif waiting[_CLOSES[sign]]:
            while text[opened[-1]] != _CLOSES[sign]:  # opened within, and never closed
                waiting[text[opened[-1]]] -= 1
                alone.append(opened.pop())
            waiting[_CLOSES[sign]] -= 1
            ends[opened.pop()] = start
        else:
            alone.append(start)
    alone += opened
    return Brackets(ends, tuple(sorted(alone)), tags, _outside(bars, ends), is_too_deep)


def _outside(bars: list[int], ends: Mapping[int, int]) -> tuple[int, ...]:
    """Return the bars outside all pairs."""
    found, pairs = [], iter(sorted(ends.items()))
    pair, reach = next(pairs, None), -1
    for bar in bars:
        while pair is not None and pair[0] < bar:
            reach, pair = max(reach, pair[1]), next(pairs, None)
        if reach < bar:
            found.append(bar)
    return tuple(found)


def without_escapes(text: str) -> str:
    """Return `text` with `\\(` and the like as the plain character."""
    return re.sub(r"\\([()\[\]{}|\\<>:_])", r"\1", text)

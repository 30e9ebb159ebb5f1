"""Prompt travel: what a clip shows at which time, as in `0: a red circle | 2s: a blue circle`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from generation.domain.prompt_syntax.brackets import find_brackets
from generation.domain.prompt_syntax.problems import Problem, quoted

MAX_KEYS = 12
_TIME = re.compile(r"\s*(\d{1,6}(?:[.,]\d{1,6})?)\s*((?ai:seconds?|secs?|s|%|frames?|f))?\s*:\s*")


@dataclass(frozen=True)
class Key:
    """A part of a prompt and when it holds: `at` in seconds, frames or percent, as `unit` ("s", "f" or "%") says."""

    at: float
    unit: str
    text: str

    def position(self, seconds: float, fps: float) -> float:
        """Return the time as a part of the clip: 0 for its beginning, 1 for its end."""
        whole = {"s": seconds, "f": seconds * fps, "%": 100.0}[self.unit]
        return self.at / whole


def read_travel(text: str) -> tuple[Key, ...]:
    """Return the parts of a prompt with their times; an empty tuple for a prompt that does not travel.

    A prompt travels if at least two of its parts, which `|` divides, begin with a time. `problems_of_parts` reports
    parts without one.
    """
    found = [key for part in _parts(text) if (key := _key(part)) is not None]
    return tuple(found) if len(found) > 1 else ()


def parts_without_time(text: str) -> list[str]:
    """Return the parts of a prompt that travels whose time is missing."""
    return [part.strip() for part in _parts(text) if _key(part) is None]


def problems_of(text: str, keys: Sequence[Key], seconds: float, fps: float, native_fps: float) -> list[Problem]:
    """Return what is wrong with the times of a prompt.

    Args:
        seconds, fps: length and rate of the finished clip. `native_fps`: the rate at which the model makes frames.
    """
    if missing := parts_without_time(text):
        return [Problem("travel-time", {"part": quoted(missing[0])})]
    if len(keys) > MAX_KEYS:
        return [Problem("travel-many", {"most": str(MAX_KEYS)})]
    if empty := [key for key in keys if not key.text]:
        return [Problem("travel-empty", {"time": _told(empty[0])})]
    if keys[0].at:
        return [Problem("travel-start")]
    places = [key.position(seconds, fps) for key in keys]
    for before, after, key in zip(places, places[1:], keys[1:], strict=False):
        if after <= before:
            return [Problem("travel-order", {"time": _told(key)})]
        if round(after * seconds * native_fps) == round(before * seconds * native_fps):
            return [Problem("travel-close", {"time": _told(key), "seconds": f"{1 / native_fps:g}"})]
        if after > 1:
            return [Problem("travel-late", {"time": _told(key), "seconds": f"{seconds:g}"})]
    return []


def in_percent(keys: Sequence[Key], seconds: float, fps: float, last: float) -> str:
    """Return the prompt with all times in percent, for an engine, which knows neither length nor rate.

    Args:
        last: the time of the last frame that the model makes, in seconds, which is 100 %; the clip may end later.
    """
    times = (key.position(seconds, fps) * seconds for key in keys)
    return " | ".join(f"{100 * time / last:.6g}%: {key.text}" for time, key in zip(times, keys, strict=True))


def at_frames(keys: Sequence[Key], frames: int) -> dict[int, str]:
    """Return the text of each key by frame, 0 to `frames` - 1.

    Raises:
        ValueError: a time is not in percent.
    """
    if any(key.unit != "%" for key in keys):
        raise ValueError(f"times must be in percent: {keys}")
    found = {min(round(key.at / 100 * (frames - 1)), frames - 1): key.text for key in keys}
    return {0: keys[0].text, **found}


def _parts(text: str) -> list[str]:
    bars = find_brackets(text).bars
    return [text[start:end] for start, end in zip((0, *(bar + 1 for bar in bars)), (*bars, len(text)), strict=True)]


def _key(part: str) -> Key | None:
    found = _TIME.match(part)
    if found is None:
        return None
    unit = (found[2] or "f")[0].lower()
    return Key(float(found[1].replace(",", ".")), unit, part[found.end() :].strip())


def _told(key: Key) -> str:
    return f"{key.at:g}{'' if key.unit == 'f' else key.unit}"

"""The vocabulary of a model trained on few words, used to warn about words that will have no effect.

A model's folder may contain a vocabulary as JSON: `{"attributes": {"shape": {"circle": ["circle", "disc", ...]}},
"other": ["a", "the", ...]}`. The catalogue names the file; a model without one is assumed to know every word.
"""

import difflib
import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from generation.catalogue.entries import BaseModel

WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")
MOST_UNKNOWN = 8  # unknown words listed at most
CLOSE = 0.8  # minimum difflib ratio for a word to count as misspelled


@dataclass(frozen=True)
class Reading:
    """A prompt as a model understands it.

    `unknown` words in order, without repeats; `guesses` for those that look misspelled; `unsaid` attributes, which the
    model will choose itself.
    """

    unknown: tuple[str, ...]
    guesses: Mapping[str, str]
    unsaid: tuple[str, ...]


class Vocabulary:
    """The words that a model was trained on.

    Args:
        attributes: attribute -> value -> phrases for it, such as shape -> circle -> circle, disc, ball.
        other: harmless words that do not affect the picture, such as articles and prepositions.
    """

    def __init__(self, attributes: Mapping[str, Mapping[str, list[str]]], other: list[str]) -> None:
        self.attributes = attributes
        self._phrases = {
            name: tuple(" ".join(words_of(phrase)) for phrases in values.values() for phrase in phrases)
            for name, values in attributes.items()
        }
        self._telling = {word for phrases in self._phrases.values() for phrase in phrases for word in phrase.split()}
        self._known = self._telling | {word for phrase in other for word in words_of(phrase)}

    def read(self, prompt: str) -> Reading:
        """Return the unknown words, guesses and unsaid attributes of `prompt`."""
        words = words_of(prompt)
        unknown = tuple(dict.fromkeys(word for word in words if not self._knows(word)))
        sentence = f" {' '.join(words)} "
        unsaid = tuple(
            name for name, phrases in self._phrases.items() if not any(f" {phrase} " in sentence for phrase in phrases)
        )
        return Reading(unknown, {word: guess for word in unknown if (guess := self._guess(word))}, unsaid)

    def _knows(self, word: str) -> bool:
        return word in self._known or all(part in self._known for part in re.split("[-'’]", word))

    def _guess(self, word: str) -> str:
        close = difflib.get_close_matches(word, sorted(self._telling), n=1, cutoff=CLOSE) if len(word) > 3 else []
        return close[0] if close else ""


def words_of(text: str) -> list[str]:
    """Return the words of a text in lowercase, with hyphenated words kept whole."""
    return WORD.findall(text.lower())


@functools.lru_cache(maxsize=16)
def load_vocabulary(path: Path) -> Vocabulary:
    """Return the vocabulary stored at `path`. Raises OSError if unreadable, ValueError if invalid."""
    stored = json.loads(path.read_text("utf-8"))
    try:
        return Vocabulary(stored["attributes"], stored["other"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a vocabulary: {error!r}") from error


def read_prompt(prompt: str, model: BaseModel, home: Path | str) -> Reading | None:
    """Return the reading of `prompt` by `model`, or None if the model has no vocabulary."""
    return load_vocabulary(model.path(home) / model.vocabulary).read(prompt) if model.vocabulary else None


def warnings(prompt: str, model: BaseModel, home: Path | str) -> list[dict[str, object]]:
    """Return warnings about the words of a prompt, for `generation.domain.errors.warning_text`."""
    reading = read_prompt(prompt, model, home)
    if reading is None or model.vocabulary is None:
        return []
    told: list[dict[str, object]] = []
    if reading.unknown:
        told.append({"id": "words-unknown", "model": model.label, "words": tell(reading)})
    if "shape" in reading.unsaid:
        shapes = load_vocabulary(model.path(home) / model.vocabulary).attributes["shape"]
        told.append({"id": "shape-unsaid", "model": model.label, "shapes": ", ".join(shapes)})
    return told


def tell(reading: Reading) -> str:
    """Return the unknown words as shown to users, such as 'corgi, cirlce (circle?)'."""
    shown = [f"{word} ({guess}?)" if (guess := reading.guesses.get(word)) else word for word in reading.unknown]
    return ", ".join(shown[:MOST_UNKNOWN]) + (", …" if len(shown) > MOST_UNKNOWN else "")

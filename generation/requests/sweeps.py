"""Sweeps: one request with several values for one or two of its settings. Pure: the caller passes the offer."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from typing import Any
from unicodedata import east_asian_width

from django.utils.translation import gettext_lazy as _

from generation.requests.choices import to_requests
from generation.requests.fields import FIELDS
from generation.requests.offer import Offer
from generation.requests.request import InvalidRequest, RenderRequest

MAX_VALUES = 12  # of one setting
MAX_TYPED = 1000  # characters
_RANGE = re.compile(r"([0-9]{1,10})\s*-\s*([0-9]{1,10})")
_DECIMAL_COMMA = re.compile(r"\d,\d")
_COMMA_BETWEEN = re.compile(r",\s+\S")


class Swept(StrEnum):
    """What can be swept: fields of the request, and words of its prompt."""

    SEED = "seed"
    GUIDANCE = "guidance"
    STEPS = "steps"
    MODEL = "model"
    WORDS = "words"


LABELS = {swept: _("Prompt words") if swept is Swept.WORDS else FIELDS[swept].label for swept in Swept}


class BadValues(ValueError):
    """Values that cannot be read; the message is for the user."""


@dataclass(frozen=True)
class Axis:
    """One setting and its values, at least two. Of words, the first value is the text that the others replace."""

    swept: Swept
    values: tuple[Any, ...]

    def applied(self, value: Any, chosen: Mapping[str, Any], offer: Offer) -> dict[str, Any]:
        """Return the choices of a page (see `requests.choices`) with one of the values."""
        if self.swept is Swept.WORDS:
            return {**chosen, "prompt": _whole_words(self.values[0]).sub(lambda _match: value, chosen["prompt"])}
        changed = {**chosen, self.swept.value: value}
        if self.swept is Swept.MODEL:  # with an adapter that fits it
            changed["motion_adapter"] = adapter.id if (adapter := offer.chosen_adapter(changed)) else ""
        return changed

    def to_dict(self) -> dict[str, Any]:
        """Return the axis as a batch stores it."""
        return {"field": self.swept.value, "values": list(self.values)}


def read_axis(swept: Swept, text: str, prompt: str, offer: Offer) -> Axis:
    """Return the axis that a user typed: values separated by commas, or by semicolons if they contain commas.

    Whole numbers may be ranges, up or down ('1-4', '4-1'); the first of words may be followed by an arrow ('red → blue,
    green').

    Raises:
        BadValues: a value is unreadable or not offered, there are too few or too many, or the prompt lacks the words.
    """
    words = [word.strip() for word in _split(swept, text[:MAX_TYPED]) if word.strip()]
    values = tuple(dict.fromkeys(value for word in words for value in _read(swept, word, offer)))
    if len(values) < 2:
        raise BadValues(_("Give at least two different values, separated by commas."))
    if len(values) > MAX_VALUES:
        raise BadValues(_("Give at most %s values.") % MAX_VALUES)
    if swept is Swept.WORDS and not _whole_words(values[0]).search(prompt):
        raise BadValues(_("“%s” is not in the prompt, so it cannot be replaced.") % values[0])
    return Axis(swept, values)


def requests_of(chosen: Mapping[str, Any], axes: Sequence[Axis], seed: int, offer: Offer) -> list[RenderRequest]:
    """Return a request for each combination of the values, row by row: the first axis runs along the columns.

    Args:
        seed: for all of them if no seed was chosen, since clips with different seeds cannot be compared.
    Raises:
        InvalidRequest: one of them cannot be rendered.
    """
    across, *down = axes
    rows = [axis.applied(value, chosen, offer) for axis in down for value in axis.values] or [dict(chosen)]
    return [_request(across.applied(value, row, offer), seed, offer) for row in rows for value in across.values]


def _request(chosen: Mapping[str, Any], seed: int, offer: Offer) -> RenderRequest:
    try:
        (request,) = to_requests({**chosen, "variations": 1}, offer)
    except InvalidRequest as error:
        raise InvalidRequest({"": [text for texts in error.errors.values() for text in texts]}) from error
    return request if request.seed is not None else replace(request, seed=seed)


def _whole_words(text: str) -> re.Pattern[str]:
    """Return what matches a text where it is not a part of longer words: "red", but not within "tired"."""
    begin, end = (r"\b" if _is_of_word(sign) else "" for sign in (text[0], text[-1]))
    return re.compile(begin + re.escape(text) + end)


def _is_of_word(sign: str) -> bool:
    """Return whether a character may be in the middle of a word. Chinese and Japanese have no spaces between words."""
    return re.match(r"\w", sign) is not None and east_asian_width(sign) not in "WF"


def _split(swept: Swept, text: str) -> list[str]:
    if swept is Swept.GUIDANCE and _is_ambiguous(text):
        raise BadValues(_("Use semicolons between numbers with decimal commas, such as 5; 7,5; 10."))
    if swept is Swept.WORDS:
        text = text.replace("->", "→").replace("→", ";" if ";" in text else ",", 1)
    return text.split(";" if ";" in text else ",")


def _is_ambiguous(text: str) -> bool:
    """Return whether commas seem to be decimal ones and to separate: in '5, 7,5', most likely two numbers."""
    if ";" in text or "." in text:
        return False
    return bool(_DECIMAL_COMMA.search(text) and _COMMA_BETWEEN.search(text))


def _read(swept: Swept, word: str, offer: Offer) -> Iterable[Any]:
    """Return the values that one word means."""
    match swept:
        case Swept.SEED | Swept.STEPS:
            return _whole(swept, word)
        case Swept.GUIDANCE:
            return [_number(word)]
        case Swept.MODEL:
            return [_model(word, offer)]
        case _:
            return [word]


def _whole(swept: Swept, word: str) -> Iterable[int]:
    if found := _RANGE.fullmatch(word):
        first, last = int(found[1]), int(found[2])
        step = 1 if first <= last else -1
        return islice(range(first, last + step, step), MAX_VALUES + 1)  # enough to see that there are too many
    if not (word.isascii() and word.isdigit() and len(word) <= 10):
        raise BadValues(_("“%s” is not a whole number.") % word)
    return [int(word)]


def _number(word: str) -> float:
    text = word.replace(",", ".")
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,4})?", text):
        raise BadValues(_("“%s” is not a number.") % word)
    return float(text)


def _model(word: str, offer: Offer) -> str:
    models = offer.models()
    for model in models:
        if word.casefold() in (model.id.casefold(), str(model.label).casefold()):
            return model.id
    known = ", ".join(model.id for model in models)
    raise BadValues(_("There is no model “%(name)s” here. The models are: %(known)s.") % {"name": word, "known": known})

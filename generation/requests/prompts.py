"""What the prompts of a request mean to a model: what it is given to read, and what it does not understand."""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.catalogue.load import BaseModel
from generation.domain.plan import Plan
from generation.domain.prompt_syntax import travel
from generation.domain.prompt_syntax.problems import HARMLESS, BadTemplate, Problem
from generation.domain.prompt_syntax.templates import Lists, drawings, read_template
from generation.domain.prompt_syntax.weights import read_weights
from generation.requests.fields import MAX_PROMPT

FAINT = 0.5  # a weight; below, the encoder makes less of a word than of what is around it
SAMPLES = 20  # drawings of a template that are read before one of them is queued

TEXTS: Mapping[str, Any] = {
    "weight-range": _("A weight must be between 0 and %(most)s, and %(text)s weighs %(weight)s."),
    "brackets-deep": _("Brackets can be nested %(most)s deep. Write \\( and \\) for brackets of the text."),
    "break-many": _("BREAK can be used %(most)s times in a prompt."),
    "prompt-editing": _(
        "%(text)s would change the prompt while a picture is made, which this site does not do. Write {red|blue} for "
        "one or the other, or 0: red | 2s: blue to change within the clip."
    ),
    "choice-open": _("The choice %(near)s does not end: } is missing."),
    "choice-deep": _("Choices can be nested %(most)s deep."),
    "choice-count": _("%(count)s$$ cannot be taken out of %(options)s options."),
    "choice-many": _(
        "The choices of this prompt have more than %(most)s ways to take some of their options. Use fewer options."
    ),
    "choice-large": _("The lists of this prompt name each other too often. Use fewer of them."),
    "list-unknown": _("This site has no list named %(name)s. Write \\__ for two underscores of the text."),
    "list-deep": _("The list %(name)s names other lists too deeply, or itself."),
    "travel-time": _("Each part of a prompt that changes over time begins with its time, and “%(part)s” has none."),
    "travel-start": _("The first part of a prompt that changes over time begins at 0, as in 0: red | 2s: blue."),
    "travel-empty": _("Nothing follows the time %(time)s."),
    "travel-order": _("The time %(time)s is not later than the one before it."),
    "travel-close": _(
        "The time %(time)s is too close to the one before it: the model makes a frame every %(seconds)s s."
    ),
    "travel-late": _("The time %(time)s is beyond the end of the clip, which is %(seconds)s s long."),
    "travel-many": _("A prompt that changes over time can have %(most)s parts."),
    "travel-model": _("The model %(model)s cannot change the prompt within a clip. Write one prompt without times."),
    "drawn-long": _("At most %(limit)s characters are allowed; drawn from its choices, this can have %(length)s."),
    "drawn-blank": _("With some of its choices, this prompt is empty."),
}


def text_of(problem: Problem) -> str:
    """Return the text of a problem that keeps a prompt from being queued, in the active language."""
    return str(TEXTS[problem.id]) % problem.values


def faults(
    text: str, model: BaseModel, seconds: float, fps: float, *, lists: Lists | None = None, is_required: bool = False
) -> list[str]:
    """Return what keeps a prompt, as written, from being rendered, for its author.

    Args:
        seconds, fps: of the finished clip.
        lists: without, lists are not looked up.
    """
    try:
        drawn = list(drawings(read_template(text, lists), SAMPLES))
    except BadTemplate as error:
        return [text_of(error.problem)]
    found: dict[str, str] = {}
    for one in drawn:
        if len(one) > MAX_PROMPT:
            problems = [Problem("drawn-long", {"limit": str(MAX_PROMPT), "length": str(len(one))})]
        else:
            problems = [problem for problem in _problems(one, model, seconds, fps) if problem.id not in HARMLESS]
        if is_required and not one.strip():
            problems.append(Problem("drawn-blank"))
        for problem in problems:
            found.setdefault(problem.id, text_of(problem))
    return list(found.values())


def warnings(text: str, model: BaseModel) -> list[dict[str, object]]:
    """Return warnings about the syntax of a prompt, for `generation.domain.errors.warning_text`."""
    found: dict[str, dict[str, object]] = {}
    for one in _drawn(text):
        for part in _parts(one):
            read = read_weights(part)
            for problem in read.problems:
                if problem.id in HARMLESS:
                    found.setdefault(problem.id, {"id": problem.id, **problem.values})
            if not model.is_animatediff and not read.is_plain:
                found.setdefault("syntax-unread", {"id": "syntax-unread", "model": model.label})
    return list(found.values())


def plain(text: str, least: float = 0.0) -> str:
    """Return the words of a prompt, as written or drawn, without its syntax; those of all options of a choice.

    Args:
        least: words that weigh less are left out.
    """
    read = (read_weights(part).text(least) for one in _drawn(text) for part in _parts(one))
    return ", ".join(dict.fromkeys(read))


def readings(text: str) -> Iterator[str]:
    """Yield what text encoders may be given of a drawn prompt.

    With its syntax and without, since na(ked:1) is one word to them; and without the words between two others that
    weigh next to nothing. Wan's pipeline also decodes HTML's entities, twice.
    """
    for read in dict.fromkeys((text, plain(text), plain(text, least=FAINT))):
        yield read
        if "&" in read:
            yield unescape(unescape(read))


def options(template: str) -> Iterator[str]:
    """Yield the pieces of a template, since a page shows all of it, whatever was drawn."""
    return (piece for piece in re.split(r"[{|}]", template) if piece)


def for_engine(text: str, model: BaseModel, plan: Plan) -> str:
    """Return what an engine is given of a drawn prompt.

    AnimateDiff's reads weights and BREAK by itself, and times in percent. Others get words.
    """
    keys = travel.read_travel(text)
    if not model.is_animatediff:
        read = read_weights(text)
        return plain(text) if keys or not read.is_plain or read.problems else text
    last = (plan.base_frames - 1) / plan.native_fps
    return travel.in_percent(keys, plan.frames / plan.fps, plan.fps, last) if keys and last else text


def _drawn(text: str) -> Iterator[str]:
    try:
        return drawings(read_template(text), SAMPLES)
    except BadTemplate:
        return iter((text,))


def _parts(text: str) -> list[str]:
    """Return a drawn prompt, or its parts if it changes over time."""
    return [key.text for key in travel.read_travel(text)] or [text]


def _problems(text: str, model: BaseModel, seconds: float, fps: float) -> Iterator[Problem]:
    keys = travel.read_travel(text)
    if keys and not model.is_animatediff:
        yield Problem("travel-model", {"model": model.label})
    elif keys:
        yield from travel.problems_of(text, keys, seconds, fps, model.native_fps)
    for part in _parts(text):
        yield from read_weights(part).problems

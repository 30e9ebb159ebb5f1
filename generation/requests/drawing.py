"""From a request as written to the one that is rendered: what its seed draws from the choices in its prompts."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from generation.catalogue.load import BaseModel
from generation.domain.prompt_syntax.problems import BadTemplate, Problem
from generation.domain.prompt_syntax.templates import Lists, Node, draw, read_template
from generation.requests.fields import FIELDS, MAX_PROMPT, TEMPLATES
from generation.requests.prompts import faults, text_of
from generation.requests.request import InvalidRequest, RenderRequest

MOST_CHECKED = 100  # drawings


def is_template(request: RenderRequest, lists: Lists) -> bool:
    """Return whether a request has several drawings. One that cannot be read has none."""
    try:
        return any(read_template(getattr(request, name), lists).count > 1 for name in TEMPLATES)
    except BadTemplate:
        return False


def drawn(request: RenderRequest, seed: int, lists: Lists) -> tuple[RenderRequest, dict[str, str]]:
    """Return the request with what `seed` draws, and the texts as they were written, by their name in `TEMPLATES`.

    Raises:
        InvalidRequest: a text is no template, or what was drawn cannot be rendered.
    """
    return _drawn(request, _templates(request, lists), seed)


def _drawn(request: RenderRequest, templates: Mapping[str, Node], seed: int) -> tuple[RenderRequest, dict[str, str]]:
    texts: dict[str, Any] = {}
    written: dict[str, str] = {}
    for name, template in TEMPLATES.items():
        text = getattr(request, name)
        texts[name] = draw(templates[name], seed)
        if texts[name] != text:
            written[template] = text
            _require_fit(name, texts[name])
    return replace(request, **texts), written


def _templates(request: RenderRequest, lists: Lists) -> dict[str, Node]:
    return {name: _template(request, name, lists) for name in TEMPLATES}


def _template(request: RenderRequest, name: str, lists: Lists) -> Node:
    try:
        return read_template(getattr(request, name), lists)
    except BadTemplate as error:
        raise InvalidRequest({name: [text_of(error.problem)]}) from error


def _require_fit(name: str, text: str) -> None:
    """Raise InvalidRequest if what was drawn is too long, or nothing where something is required."""
    if len(text) > MAX_PROMPT:
        problem = Problem("drawn-long", {"limit": str(MAX_PROMPT), "length": str(len(text))})
        raise InvalidRequest({name: [text_of(problem)]})
    if FIELDS[name].is_required and not text.strip():
        raise InvalidRequest({name: [text_of(Problem("drawn-blank"))]})


def as_written(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored request, from anywhere, with the templates that its author wrote in place of their drawings."""
    written = {name: request.get(template) for name, template in TEMPLATES.items()}
    return {**request, **{name: text for name, text in written.items() if isinstance(text, str) and text}}


def check(request: RenderRequest, model: BaseModel, lists: Lists) -> None:
    """Raise InvalidRequest unless the request can be rendered with the operator's lists, whatever they give."""
    errors = {}
    for name in TEMPLATES:
        text, is_required = getattr(request, name), FIELDS[name].is_required
        found = faults(text, model, request.seconds, request.fps, lists=lists, is_required=is_required)
        if found:
            errors[name] = found
    if errors:
        raise InvalidRequest(errors)


def possible_prompts(request: RenderRequest, lists: Lists, most: int = MOST_CHECKED) -> Iterator[str]:
    """Yield the text encoder's prompt of each drawing, at most `most` of them.

    Raises:
        InvalidRequest: as `drawn`.
    """
    seen = set()
    templates = _templates(request, lists)
    count = max(template.count for template in templates.values())
    for seed in range(min(count, most)):
        prompt = _drawn(request, templates, seed)[0].engine_prompt
        if prompt not in seen:
            seen.add(prompt)
            yield prompt

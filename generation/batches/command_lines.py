"""Rows as options, as Automatic1111's "Prompts from file" reads them: `--prompt "a red heart" --seed 7 --steps 20`."""

import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.batches.lines import MAX_FIELDS, printable
from generation.requests.fields import FIELDS

# What other programs call it -> the field of a request.
OTHER_NAMES = {"cfg_scale": "guidance", "guidance_scale": "guidance", "sd_model": "model"}
NAMES = (*FIELDS, "size")
_TOLD = ("prompt", "negative_prompt", "seed", "steps", "cfg_scale", "width", "height", "size", "seconds", "fps")
_BARE = re.compile(r"(?<!\S)--([A-Za-z][\w-]*)")
_OPTION = re.compile(r'"(?:[^"\\]|\\.)*+("|\\?\Z)|' + _BARE.pattern, re.DOTALL)


def is_command(line: str) -> bool:
    """Return whether a line has options; what stands before the first one is the prompt."""
    return next(_options(line), None) is not None


def _options(line: str) -> Iterator[tuple[str, int, int]]:
    """Yield the options of a line, except for what is quoted: name, where it begins, and where it ends."""
    for found in _OPTION.finditer(line):
        if found[2]:
            yield found[2], *found.span()
        elif found[1] != '"':  # a quote that does not close, like all after it; each would be read to the end in vain
            yield from ((bare[1], *bare.span()) for bare in _BARE.finditer(line, found.start() + 1))


def read_command(line: str) -> tuple[dict[str, Any], str]:
    """Return the values of a line with options by field, or why it cannot be read."""
    options = list(_options(line))
    if len(options) > MAX_FIELDS:
        return {}, _("This line has too many options: at most %s.") % MAX_FIELDS
    values: dict[str, Any] = {}
    if prompt := line[: options[0][1]].strip():
        values["prompt"] = prompt
    ends = [*(start for _name, start, _end in options[1:]), len(line)]
    for (told, _start, begin), end in zip(options, ends, strict=True):
        written = told.lower().replace("-", "_")
        name = OTHER_NAMES.get(written, written)
        if name not in NAMES:
            known = ", ".join(f"--{name}" for name in _TOLD)
            message = _("--%(name)s is not understood here. Leave it out, or write one of: %(known)s.")
            return {}, message % {"name": printable(told[:50]), "known": known}
        if name in values:
            return {}, _("--%s is given twice.") % name
        value = _unquoted(line[begin:end].strip().removeprefix("=").strip())
        if value is None:
            return {}, _("The quotes of --%s do not match.") % name
        if not value:
            return {}, _("--%s has no value.") % name
        values[name] = value
    return values, ""


def _unquoted(value: str) -> str | None:
    r"""Return a value without its quotes, None if they do not match. `\(` and the like are left to the prompt."""
    if value[:1] not in ('"', "'"):
        return value
    quote = value[0]
    if len(value) < 2 or value[-1] != quote:
        return None
    return value[1:-1].replace(f"\\{quote}", quote)

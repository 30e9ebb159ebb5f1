"""What can go wrong with a job, in words for the person who asked for it.

Two kinds of error (see docs/architecture.md): a `RenderError` has an id and a text written for the person; every other
exception is a defect or an outage of ours, is logged in full, and reads as one neutral sentence with a reference.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.utils.translation import gettext_lazy as _

ERRORS: Mapping[str, Any] = {
    "out-of-memory": _(
        "The graphics card ran out of memory, even in the most economical mode. Try a smaller "
        "size, fewer seconds or another model."
    ),
    "model-missing": _("The model %(model)s is not on this machine. The operator can fetch it with: %(command)s"),
    "model-corrupt": _(
        "A file of the model %(model)s is damaged or was changed (%(file)s). The operator can fetch it again with: "
        "%(command)s"
    ),
    "frames-missing": _("The frames of an earlier stage are gone. “Try again” renders them again."),
    "frames-corrupt": _("The frames of an earlier stage were damaged in storage. “Try again” renders them again."),
    "worker-lost": _(
        "The worker rendering this clip was lost %(attempts)s times at the same stage "
        "(%(stage)s), so we stopped trying. A smaller size or fewer seconds may work; the "
        "operator will find details in the log."
    ),
    "request-invalid": _("This request can no longer be rendered on this site: %(details)s"),
    "internal": _(
        "Something went wrong on our side (reference %(reference)s). “Try again” continues where it stopped."
    ),
}

WARNINGS: Mapping[str, Any] = {
    "prompt-cut": _(
        "The prompt has %(tokens)s tokens and the model reads only %(limit)s, so the end of it "
        "has no effect. Put what matters first."
    ),
    "words-unknown": _(
        "The model %(model)s knows only a small world. These words of the prompt will not show in the clip: %(words)s."
    ),
    "shape-unsaid": _(
        "The prompt names no shape that the model %(model)s knows, so it picked one. It knows: %(shapes)s."
    ),
}

_DEFAULTS = {
    "model": _("you asked for"),
    "file": "?",
    "command": "python manage.py fetch_models",
    "attempts": "3",
    "stage": "?",
    "details": "",
    "reference": "?",
}


class RenderError(Exception):
    """An error with a text for the person who asked for the clip.

    Args:
        id: a key of `ERRORS`. An unknown one is a programming error and raises `KeyError` at once.
        context: the values that the text names, such as `model`, `file`, `command`.
    """

    def __init__(self, id: str, **context: object) -> None:
        ERRORS[id]
        self.id = id
        self.context = {key: str(value) for key, value in context.items()}
        super().__init__(id, self.context)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RenderError, self.id, **self.context), ()  # so that it survives the way out of a process

    @property
    def text(self) -> str:
        """The sentence that the person sees, in the language that is active now."""
        return error_text(self.id, self.context)

    def __str__(self) -> str:
        return f"{self.id}: {self.text}"


class Cancelled(Exception):
    """Raised by an engine's `on_step` callback when the job was cancelled or taken over; engines let it pass."""


def error_text(id: str, context: Mapping[str, str]) -> str:
    """The text of error `id` with `context` filled in, in the active language."""
    return str(ERRORS.get(id, ERRORS["internal"])) % {**_DEFAULTS, **context}


def warning_text(warning: Mapping[str, Any]) -> str:
    """The text of a warning as it is stored: its `id` among `WARNINGS`, and the values that the text names."""
    return str(WARNINGS.get(warning["id"], warning["id"])) % warning

"""The errors and warnings of a job, worded for the user.

There are two kinds of error (see docs/architecture.md): a `RenderError` has an ID and a text written for the user; any
other exception is a bug or an outage, is logged in full, and is shown as one neutral sentence with a reference.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.utils.translation import gettext_lazy as _

from auravideo.commands import DOCTOR, FETCH_MODELS

ERRORS: Mapping[str, Any] = {
    "out-of-memory": _(
        "The graphics card ran out of memory, even in the most economical mode. Try a smaller "
        "size, fewer seconds or another model."
    ),
    "machine-out-of-memory": _(
        "The machine ran out of memory %(attempts)s times at the same stage (%(stage)s), so we stopped trying. Try a "
        "smaller size, fewer seconds or another model."
    ),
    "card-failed": _(
        "The graphics card %(card)s or its driver %(driver)s failed %(attempts)s times at the same stage (%(stage)s), "
        "so we stopped trying: %(problem)s. “Try again” continues where it stopped, best after the machine was "
        "restarted."
    ),
    "card-exclusive": _(
        "The graphics card %(card)s is in exclusive mode: one program at a time may use it, and %(attempts)s times in "
        "a row that was another one (%(stage)s). The operator finds what to do with: %(doctor)s"
    ),
    "card-unsupported": _(
        "The software on this machine has no support for its graphics card, %(card)s. The operator finds what to do "
        "with: %(doctor)s"
    ),
    "driver-too-old": _(
        "The driver of the graphics card %(card)s is too old for the software on this machine. The operator finds what "
        "to do with: %(doctor)s"
    ),
    "model-missing": _("The model %(model)s is not on this machine. The operator can fetch it with: %(command)s"),
    "model-needs-tensorflow": _(
        "The model %(model)s runs in TensorFlow only, which the worker does not use. The operator finds what to do in "
        "docs/models.md."
    ),
    "model-needs-package": _(
        "The worker lacks the Python package %(package)s, which the model %(model)s needs. The operator finds what to "
        "do with: %(doctor)s"
    ),
    "model-corrupt": _(
        "A file of the model %(model)s is damaged or was changed (%(file)s). The operator can fetch it again with: "
        "%(command)s"
    ),
    "model-unexpected": _(
        "The file %(file)s of the model %(model)s is not the one that this version expects. The operator finds what to "
        "do in docs/models.md, under Pinned."
    ),
    "model-is-page": _(
        "A file of the model %(model)s (%(file)s) is a web page saved under its name, probably an error page. The "
        "operator can fetch the file again with: %(command)s"
    ),
    "model-is-archive": _(
        "A file of the model %(model)s (%(file)s) is a zip archive or a .ckpt under another name. The operator can put "
        "the .safetensors file in its place."
    ),
    "model-is-pointer": _(
        "A file of the model %(model)s (%(file)s) is only a Git LFS pointer, without the weights. The operator can "
        "fetch the file itself with: %(command)s"
    ),
    "model-unsafe": _(
        "The model %(model)s is not used, because its file %(file)s could do more than make clips: %(problem)s. The "
        "operator should find out where it comes from. Choose another model."
    ),
    "checkpoint-unknown": _(
        "The file %(file)s of the model %(model)s is no checkpoint of this kind of model: whole networks are missing "
        "in it. Choose another model."
    ),
    "checkpoint-without-vae": _(
        "The checkpoint of the model %(model)s (%(file)s) has no VAE, and its entry names none. The operator can add "
        'one to the entry, such as vae = "sd-vae-ft-mse".'
    ),
    "checkpoint-mismatch": _(
        "The file %(file)s of the model %(model)s was not used: %(matching)s of the %(total)s weights that its "
        "configuration asks for match (one that does not: %(problem)s). Choose another model."
    ),
    "checkpoint-architecture": _(
        "The file %(file)s of the model %(model)s was not used: it holds another kind of network (%(found)s). Choose "
        "another model."
    ),
    "checkpoint-type": _(
        "The file %(file)s of the model %(model)s was not used: its weights are of a type that this site cannot read "
        "(%(found)s). The operator can use a file of another type, such as Q4_K_M or Q8_0. Choose another model."
    ),
    "checkpoint-split": _(
        "The file %(file)s of the model %(model)s was not used: it is one of %(found)s parts of a GGUF file. The "
        "operator can put them together with llama-gguf-split --merge. Choose another model."
    ),
    "embedding-mismatch": _(
        "The textual inversion %(model)s was not used: its file %(file)s has no vectors that %(base)s reads. Leave its "
        "word out of the prompt, or choose another model."
    ),
    "lora-for-another-model": _(
        "The LoRA %(model)s was made for another model (%(made_for)s) and does not work with %(base)s. Choose another "
        "LoRA, or leave it out."
    ),
    "lora-unsupported": _("The LoRA %(model)s was not applied: %(base)s takes none. Leave it out."),
    "lora-mismatch": _(
        "The LoRA %(model)s was not applied: %(matching)s of its %(total)s modules match %(base)s. Choose another "
        "LoRA, or leave it out."
    ),
    "lora-layout": _(
        "The LoRA %(model)s is stored in a way that this site cannot read (%(layout)s). Choose another LoRA, or leave "
        "it out."
    ),
    "lora-empty": _("The file of the LoRA %(model)s (%(file)s) holds no LoRA. Choose another LoRA, or leave it out."),
    "frames-missing": _("The frames of an earlier stage are gone. “Try again” renders them again."),
    "frames-corrupt": _("The frames of an earlier stage were damaged in storage. “Try again” renders them again."),
    "worker-lost": _(
        "The worker rendering this clip was lost %(attempts)s times at the same stage "
        "(%(stage)s), so we stopped trying. A smaller size or fewer seconds may work; the "
        "operator will find details in the log."
    ),
    "stage-hung": _(
        "The stage “%(stage)s” made no progress for a long time and was stopped, %(attempts)s times, so we stopped "
        "trying. A smaller size or fewer seconds may work; the operator will find details in the log."
    ),
    "storage-unavailable": _(
        "The storage that holds the frames and clips did not work for too long. “Try again” continues where it "
        "stopped; the operator will find details in the log."
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
    "negative-prompt-cut": _(
        "The negative prompt has %(tokens)s tokens and the model reads only %(limit)s, so the end of it has no effect."
    ),
    "lora-tag": _(
        "%(tag)s has no effect: a prompt loads no LoRA. Choose styles and camera motions in the advanced settings."
    ),
    "bracket-alone": _(
        "The bracket %(bracket)s near “%(near)s” has no partner, so it is read as text. Write \\%(bracket)s if that is "
        "what you want."
    ),
    "and-word": _("AND does not join two prompts here: in “%(near)s” it is read as a word."),
    "syntax-unread": _(
        "The model %(model)s does not read weights such as (word:1.2), nor BREAK. It is given the words without them."
    ),
    "words-unknown": _(
        "The model %(model)s knows only a small world. These words of the prompt will not show in the clip: %(words)s."
    ),
    "shape-unsaid": _(
        "The prompt names no shape that the model %(model)s knows, so it picked one. It knows: %(shapes)s."
    ),
    "storage-waiting": _("The storage does not answer. The clip continues by itself as soon as it does."),
    "disk-full": _("The disk is full. The clip continues by itself as soon as there is room."),
    "disk-low": _("The disk is almost full. The clip starts by itself as soon as there is room."),
    "disk-read-only": _("The disk cannot be written to. The clip continues by itself as soon as it can."),
    "service-waiting": _("A part of this site does not answer. The clip continues by itself as soon as it does."),
}
# What a clip waits for during an outage; these warnings go away again.
WAITING = frozenset({"storage-waiting", "disk-full", "disk-low", "disk-read-only", "service-waiting"})

_DEFAULTS = {
    "model": _("you asked for"),
    "file": "?",
    "command": FETCH_MODELS,
    "attempts": "3",
    "stage": "?",
    "details": "",
    "reference": "?",
    "card": "?",
    "driver": "?",
    "problem": "?",
    "package": "?",
    "doctor": DOCTOR,
    "made_for": "?",
    "base": _("this model"),
    "matching": "0",
    "total": "?",
    "layout": "?",
    "found": "?",
}


class RenderError(Exception):
    """An error with a text for the owner of the clip.

    Args:
        id: a key of `ERRORS`. An unknown one is a bug and raises `KeyError` immediately.
        context: values for the placeholders of the text, such as `model`, `file`, `command`.
    """

    def __init__(self, id: str, **context: object) -> None:
        ERRORS[id]
        self.id = id
        self.context = {key: str(value) for key, value in context.items()}
        super().__init__(id, self.context)

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(RenderError, self.id, **self.context), ()  # so it can be pickled between processes

    @property
    def text(self) -> str:
        """Return the text that the user sees, in the active language."""
        return error_text(self.id, self.context)

    def __str__(self) -> str:
        return f"{self.id}: {self.text}"


class Cancelled(Exception):
    """A stop signal from an engine's `on_step` callback: job cancelled or taken over. Engines must let it propagate."""


class Paused(Cancelled):
    """A stop signal: rendering is paused, and this work will continue later.

    An engine that can continue between two steps puts what it needs for that into `checkpoint` on the way.
    """

    checkpoint: bytes | None = None


def error_text(id: str, context: Mapping[str, str]) -> str:
    """Return the text of error `id` with `context` filled in, in the active language."""
    return str(ERRORS.get(id, ERRORS["internal"])) % {**_DEFAULTS, **context}


def warning_text(warning: Mapping[str, Any]) -> str:
    """Return the text of a stored warning: its `id`, a key of `WARNINGS`, and values for the placeholders."""
    return str(WARNINGS.get(warning["id"], warning["id"])) % warning

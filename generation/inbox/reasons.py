"""Why a file in the inbox is refused, worded for staff."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

from generation.inbox.names import cleaned

LONGEST_VALUE = 200  # characters

REASONS: Mapping[str, Any] = {
    "link": _("This is a link. Links are not followed, since they may lead anywhere: put the file itself here."),
    "folder": _("Folders are not searched. Put the files themselves into the inbox."),
    "name": _("The name of this file has characters that cannot be shown. Rename the file."),
    "no-file": _("This is no ordinary file."),
    "gone": _("There is no file of this name in the inbox any more."),
    "unreadable": _("The file cannot be read: %(problem)s."),
    "pickle": _(
        "This kind of file (%(suffix)s) can run programs when it is opened, so it is never read. docs/models.md says "
        "how to convert it to .safetensors."
    ),
    "other-format": _("Only .safetensors files are read, not %(suffix)s."),
    "partial": _("This looks like a download that has not finished (%(suffix)s)."),
    "page": _("This is a web page saved under the name of a model, probably an error page. Download the file again."),
    "archive": _("This is a zip archive or a .ckpt under another name. docs/models.md says how to convert a .ckpt."),
    "pickle-inside": _("This is a pickle under another name. docs/models.md says how to convert one to .safetensors."),
    "pointer": _("This is only a Git LFS pointer, without the weights. Download the file itself."),
    "gguf": _("This is a GGUF file under another name, which is not read here."),
    "gguf-by-entry": _(
        "This GGUF file is a transformer of %(made_for)s, without the other parts of a model. An entry in your "
        "catalogue can use it: docs/models.md says how."
    ),
    "gguf-unnamed": _(
        "This GGUF file does not say what it holds. If that is a transformer of Wan or LTX-Video, an entry in your "
        "catalogue can use it: docs/models.md says how."
    ),
    "gguf-other": _(
        "This GGUF file holds another kind of network (%(made_for)s). Only transformers of Wan and LTX-Video can be "
        "used."
    ),
    "gguf-type": _(
        "The weights in this GGUF file are of a type that this site cannot read (%(type)s). Look for one of another "
        "type, such as Q4_K_M or Q8_0."
    ),
    "gguf-split": _(
        "This is one of %(count)s parts of a GGUF file, which are not read apart. Put them together with "
        "llama-gguf-split --merge."
    ),
    "gguf-damaged": _("This is no GGUF file, or a damaged one."),
    "truncated": _("The file ends too early: it is still being copied, or its download was cut off."),
    "too-long": _("The file is longer than its weights: something was added to it."),
    "huge-header": _("The list of weights at the beginning claims %(size)s MB; %(most)s MB is the most that is read."),
    "damaged": _("This is no .safetensors file, or a damaged one."),
    "unknown": _("No known kind of file has weights of these names, such as %(key)s."),
    "other-checkpoint": _(
        "This is a checkpoint for another model (%(made_for)s). Only Stable Diffusion 1.5 is loaded."
    ),
    "no-text-encoder": _("This checkpoint has no text encoder, or one under unknown names."),
    "inputs": _(
        "This is a checkpoint for inpainting or editing pictures: its network reads %(found)s channels, not %(wanted)s."
    ),
    "other-motion": _("These motion modules are for another model (%(made_for)s), not for Stable Diffusion 1.5."),
    "other-lora": _("This LoRA is for another model (%(made_for)s), not for Stable Diffusion 1.5."),
    "lora-layout": _("This LoRA is stored in a way that this site cannot read (%(layout)s)."),
    "embedding": _("This textual inversion is for another model (%(made_for)s), not for Stable Diffusion 1.5."),
    "embedding-count": _("This textual inversion has %(found)s vectors; it may have 1 to %(most)s."),
    "controlnet": _("This is a ControlNet, which this site does not load."),
    "other-vae": _("This VAE is for another model: its latents have %(found)s channels, not %(wanted)s."),
    "no-room": _("The disk of %(folder)s has no room for the file: it needs %(needed)s GB, and %(free)s GB are free."),
    "failed": _("The file could not be moved out of the inbox: %(problem)s."),
    "changed": _("The file was replaced while it was looked at. Look again, and approve it then."),
    "catalogue": _("The catalogue would no longer be valid: %(problem)s"),
    "not-approved": _("No approved file has this ID."),
}


class Refused(Exception):
    """A file that is not used.

    Args:
        id: a key of `REASONS`; an unknown one is a bug and raises `KeyError` immediately.
        context: values for the placeholders of the text.
    """

    def __init__(self, id: str, **context: object) -> None:
        super().__init__(id, context)
        # Names of weights may be anything, such as what a terminal obeys, or what no page can hold.
        self.id = id
        self.context = {
            name: cleaned(value, LONGEST_VALUE) if isinstance(value, str) else value for name, value in context.items()
        }
        self._text = REASONS[id]

    @property
    def text(self) -> str:
        """Return the reason in the active language."""
        return str(self._text) % self.context if self.context else str(self._text)

    def __str__(self) -> str:
        return self.text

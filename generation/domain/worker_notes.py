"""What a worker says about how its models run, worded for operators."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

NOTES: Mapping[str, Any] = {
    "on-cpu": _("%(model)s runs on the CPU, because the card cannot: %(why)s"),
    "card-unseen": _("%(model)s runs on the CPU, although there is a card; %(doctor)s says why"),
    "precision": _("%(model)s computes in %(precision)s (%(part)s), because this card goes wrong in half precision"),
    "memory-mode": _("%(model)s saves memory: mode %(mode)s"),
}


def note_text(note: Mapping[str, Any]) -> str:
    """Return the text of a note in the active language: its `id`, a key of `NOTES`, and values for the placeholders.

    A note of a newer version than this one is shown as it is.
    """
    try:
        return str(NOTES[note["id"]]) % note
    except KeyError:
        return ", ".join(f"{key}: {value}" for key, value in note.items())

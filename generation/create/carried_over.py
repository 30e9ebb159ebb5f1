"""What was set under Advanced and still counts in the simple mode, so that nothing has an effect unseen."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from auravideo.core.media_formats import FORMAT_LABELS
from generation.create.forms import CreateForm
from generation.requests import available
from generation.requests.sizes import CUSTOM


def kept_of(values: Mapping[str, Any], form: CreateForm) -> list[str]:
    """The settings that differ from what the simple mode stands for, in words."""
    model, adapter = form.chosen_model, form.chosen_adapter
    found = []
    if model.id != available.default_model().id:
        found.append(model.label)
    if adapter.id != model.adapter:
        found.append(adapter.label)
    for lora in form.camera_motions:
        if values.get(available.LORA_PREFIX + lora.id) not in (None, "", "0", 0):
            found.append(lora.label)
    if values.get("negative_prompt"):
        found.append(_("negative prompt"))
    if values.get("guidance") not in (None, ""):
        found.append(_("guidance %s") % values["guidance"])
    if values.get("seed") not in (None, ""):
        found.append(_("seed %s") % values["seed"])
    if values.get("quality") == CUSTOM:
        found += [_("%s fps") % values["fps"]] if values.get("fps") else []
        found += [_("%s steps") % values["steps"]] if values.get("steps") else []
    if str(values.get("format") or "mp4") in FORMAT_LABELS and values.get("format") not in (None, "", "mp4"):
        found.append(str(FORMAT_LABELS[values["format"]]))
    if str(values.get("variations") or 1) != "1":
        found.append(_("%s variations") % values["variations"])
    return found

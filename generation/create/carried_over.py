"""Advanced settings still in effect in simple mode, listed so that none applies unseen."""

from collections.abc import Iterator, Mapping
from typing import Any

from generation.create.forms import CreateForm
from generation.requests.choices import LORA_PREFIX
from generation.requests.fields import FIELDS, PLAIN, WITH_GUIDANCE, Field
from generation.requests.sizes import CUSTOM


def kept_of(values: Mapping[str, Any], form: CreateForm) -> list[str]:
    """Return labels for the settings that differ from the simple mode's defaults."""
    found = list(_entries(values, form))
    for field in FIELDS.values():
        is_used = form.chosen_model.is_guided or field.name not in WITH_GUIDANCE
        if field.mention and field.kind in PLAIN and is_used and _is_set(field, values):
            told = field.choices.get(values[field.name], values[field.name])
            text = str(field.mention)
            found.append(text % told if "%s" in text else text)
    return found


def is_seed_alone(kept: list[str], values: Mapping[str, Any]) -> bool:
    """Return whether the seed, such as that of a draft to be rendered in full, is all that `kept_of` returned."""
    return len(kept) == 1 and _is_set(FIELDS["seed"], values)


def _entries(values: Mapping[str, Any], form: CreateForm) -> Iterator[str]:
    """Yield the labels of chosen catalogue entries that are not the defaults."""
    model, adapter = form.chosen_model, form.chosen_adapter
    if model.id != form.offer.default_model().id:
        yield model.label
    if adapter is not None and adapter.id != model.adapter:
        yield adapter.label
    for lora in (*form.camera_motions, *form.styles):
        if values.get(LORA_PREFIX + lora.id) not in (None, "", "0", 0):
            yield lora.label


def _is_set(field: Field, values: Mapping[str, Any]) -> bool:
    """Return whether a field has an effect in simple mode; a named quality overrides the fields that it sets."""
    value = values.get(field.name)
    if value is None or value == "":
        return False
    if field.by_quality:
        return values.get("quality") == CUSTOM
    return not field.choices or (str(value) != str(field.default) and value in field.choices)

"""Preset services: a user's own presets, and the shared ones made by staff."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from generation.models import Preset
from generation.requests import available
from generation.requests.choices import PROMPT_TO_COME
from generation.requests.fields import FIELDS
from generation.requests.request import InvalidRequest, RenderRequest, parse

MAX_PRESETS = 100  # per user


class TooManyPresets(ValueError):
    """The user has reached `MAX_PRESETS`."""

    def __str__(self) -> str:
        return str(_("You already have %s presets. Delete one you no longer need.") % MAX_PRESETS)


def visible_presets(user: User) -> QuerySet[Preset]:
    """Return a user's own presets and the shared ones."""
    return Preset.objects.filter(Q(user=user) | Q(user=None))


def own_presets(user: User | None) -> QuerySet[Preset]:
    return Preset.objects.filter(user=user)


@transaction.atomic
def save(user: User, name: str, request: RenderRequest) -> tuple[Preset, bool]:
    """Save a request's settings under a name, replacing any preset of that name; return it and whether it is new.

    Raises:
        TooManyPresets: a new preset would exceed `MAX_PRESETS`.
    """
    found = own_presets(user).filter(name__iexact=name).first()
    if found is not None:
        found.name, found.settings = name, settings_of(request)
        found.save()
        return found, False
    if own_presets(user).count() >= MAX_PRESETS:
        raise TooManyPresets
    return Preset.objects.create(user=user, name=name, settings=settings_of(request)), True


def settings_of(request: RenderRequest) -> dict[str, Any]:
    """Return the settings that a preset stores: the request without its prompt or quality, which the numbers imply."""
    kept = request.to_dict()
    return {name: kept[name] for name, field in FIELDS.items() if field.in_preset}


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return hand-written preset settings, validated and completed with defaults.

    Raises:
        InvalidRequest: maps every invalid field to its messages.
    """
    if not isinstance(settings, Mapping):
        raise InvalidRequest({"settings": [_("This must be a JSON object with the fields of a request.")]})
    return settings_of(parse({**settings, "prompt": PROMPT_TO_COME}, available.catalogue(), available.limits()))

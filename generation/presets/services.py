"""Settings to start from: a person's own, and those that staff made for everybody."""

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

MAX_PRESETS = 100  # of one person


class TooManyPresets(ValueError):
    """The person has as many presets as one person may have."""

    def __str__(self) -> str:
        return str(_("You already have %s presets. Delete one you no longer need.") % MAX_PRESETS)


def visible_presets(user: User) -> QuerySet[Preset]:
    """A person's own presets and everybody's."""
    return Preset.objects.filter(Q(user=user) | Q(user=None))


def own_presets(user: User | None) -> QuerySet[Preset]:
    return Preset.objects.filter(user=user)


@transaction.atomic
def save(user: User, name: str, request: RenderRequest) -> tuple[Preset, bool]:
    """Keep the settings of a request under a name, in place of those that had it; says whether the name is new.

    Raises:
        TooManyPresets: there is no room for another one.
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
    """Return what a preset keeps of a request: everything but the prompt, and the quality, which the numbers say."""
    kept = request.to_dict()
    return {name: kept[name] for name, field in FIELDS.items() if field.in_preset}


def checked(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a preset that were written by hand, with the defaults for what is left out.

    Raises:
        InvalidRequest: with a message at every field that is wrong.
    """
    if not isinstance(settings, Mapping):
        raise InvalidRequest({"settings": [_("This must be a JSON object with the fields of a request.")]})
    return settings_of(parse({**settings, "prompt": PROMPT_TO_COME}, available.catalogue(), available.limits()))

"""Whether rendering is paused for the whole site. In the database: it outlives Redis, and workers ask every step."""

from django.db.models import Exists

from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.models import RenderingPause

HELD = frozenset(stage for stage, spec in STAGES.items() if spec.first_load)
"""The stages that need a model, and so a card: none of these runs during a pause. Checking and encoding go on."""


def is_on() -> bool:
    """Return whether rendering is paused."""
    return RenderingPause.objects.exists()


def exists() -> Exists:
    """Return an expression for whether rendering is paused, to be read along with other things."""
    return Exists(RenderingPause.objects.all())


def holds(stage: Stage) -> bool:
    """Return whether no stage like this one may start now."""
    return stage in HELD and is_on()

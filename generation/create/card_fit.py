"""Whether a clip fits on the site's graphics card at full speed: said before it is submitted."""

from django.conf import settings
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.catalogue import card_memory
from generation.domain.memory_classes import can_take
from generation.domain.plan import Plan
from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.queue import placement, roster
from generation.requests import available
from generation.requests.request import RenderRequest

# A mode's speed as a fraction of the fastest mode's: at least this, and how that is said.
_SPEEDS: tuple[tuple[float, Promise], ...] = (
    (0.9, gettext_lazy("runs a little slower")),
    (0.62, gettext_lazy("runs at about three quarters of the speed")),
    (0.42, gettext_lazy("runs at about half speed")),
    (0.29, gettext_lazy("runs at about a third of the speed")),
    (0.0, gettext_lazy("runs at about a quarter of the speed, or slower")),
)


def slower(request: RenderRequest, plan: Plan) -> str:
    """Return, worded for the user, what a clip needs and how slow the site's cards make it.

    Empty if it fits at full speed on a card that may be handed it, if a worker without a card may be, or if nobody may
    (`placement.no_room` says so).
    """
    queue = STAGES[Stage.GENERATE].queue
    there = roster.capacity().get(queue)
    needs = placement.generation_needs(request, plan)
    if there is None or not needs or len(there.names) > len(there.cards):
        return ""
    able = [card for card in there.cards if can_take(queue, card, min(needs.values()))]
    fastest = next(iter(needs))
    if not able or needs[fastest] <= max(able):
        return ""
    name = card_memory.choose_mode(needs, max(able))
    modes = card_memory.modes(available.catalogue().models[request.model], settings.INEXACT_MEMORY)
    speed = next(mode.speed for mode in modes if mode.name == name)
    return _(
        "Needs %(need)s GB of graphics memory; the largest card on this site offers %(most)s GB, so it %(speed)s."
    ) % {
        "need": placement.in_gb(needs[fastest]),
        "most": placement.in_gb(max(able)),
        "speed": next(words for least, words in _SPEEDS if speed >= least),
    }

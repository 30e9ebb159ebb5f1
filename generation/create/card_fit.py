"""Whether a clip fits on the site's graphics card at full speed: said before it is submitted."""

from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generation.catalogue import card_memory
from generation.domain.memory_classes import GB
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
    """Return, worded for the user, what a clip needs and how slow the site's largest card makes it.

    Empty if it fits at full speed, if it does not fit at all (`placement.no_room` says so), or if there is no card.
    """
    there = roster.capacity().get(STAGES[Stage.GENERATE].queue)
    needs = placement.generation_needs(request, plan)
    if there is None or not there.card or not needs:
        return ""
    name = card_memory.choose_mode(needs, there.card)
    fastest = next(iter(needs))
    if name is None or name == fastest or needs[name] > there.card:
        return ""
    modes = {mode.name: mode for mode in card_memory.modes(available.catalogue().models[request.model])}
    how = next(words for least, words in _SPEEDS if modes[name].speed >= least)
    return _("Needs %(need)s GB of graphics memory, the largest card on this site has %(most)s GB: %(speed)s.") % {
        "need": formats.number_format(needs[fastest] / GB, 1),
        "most": formats.number_format(there.card / GB, 1),
        "speed": how,
    }

"""What a user may use, as their settings page shows it: next to what they use, and to the limits of the site."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from auravideo.core import storage
from generation.domain.stages import STAGES
from generation.domain.states import Stage
from generation.queue import roster
from generation.quotas.selectors import Standing

FULL_PERCENT = 80  # from here on, a meter says what to do


@dataclass(frozen=True)
class Meter:
    """How much of a quota is used; `name` is that of the quota, `text` says it in words."""

    name: str
    label: Any
    used: int
    most: int
    text: Any

    @property
    def shown(self) -> int:
        """Return the length of the meter: no more than all of it."""
        return min(self.used, self.most)

    @property
    def high(self) -> int:
        """Return from where on the meter is nearly full."""
        return self.most * FULL_PERCENT // 100

    @property
    def is_nearly_full(self) -> bool:
        return self.used >= self.high


@dataclass(frozen=True)
class Row:
    """One limit: the user's own, and that of the site."""

    label: Any
    own: Any
    site: Any


@dataclass(frozen=True)
class Device:
    """What clips are generated on. `memory` in bytes; `name` is empty for a processor."""

    name: str
    memory: int


def meters(standing: Standing) -> list[Meter]:
    """Return the quotas of a user that fill up."""
    return list(_meters(standing))


def _meters(standing: Standing) -> Iterator[Meter]:
    allowance = standing.allowance
    if (most := allowance.seconds_a_day) is not None:
        used, facts = standing.seconds_used, {"used": standing.seconds_used, "most": most}
        text = _("%(used)s s of %(most)s s used, %(left)s s left") % {**facts, "left": standing.seconds_left}
        yield Meter("seconds", _("Seconds of video in 24 hours"), used, most, text)
    if allowance.waiting is not None:
        most, active = allowance.most_waiting, standing.active
        text = ngettext("%(used)s of %(most)s clip", "%(used)s of %(most)s clips", most)
        yield Meter("waiting", _("Clips that wait or render"), active, most, text % {"used": active, "most": most})
    if (most := allowance.storage) is not None:
        sizes = {"used": filesizeformat(standing.kept), "most": filesizeformat(most)}
        text = _("%(used)s of %(most)s used") % sizes
        if standing.coming:
            coming = filesizeformat(standing.coming)
            text = _("%(used)s of %(most)s used, and about %(coming)s for what is being made") % {
                **sizes,
                "coming": coming,
            }
        yield Meter("storage", _("Storage, the trash included"), standing.kept + standing.coming, most, text)


def rows(standing: Standing) -> list[Row]:
    """Return every limit of a user beside that of the site; the disk's free space stands in for a limit of storage."""
    allowance, limits = standing.allowance, standing.allowance.limits
    free = storage.free_bytes()
    none = _("no limit")
    room = none if free is None else _("%s free on the disk") % filesizeformat(free)
    pixels, seconds = _("%s pixels"), _("%s s")
    day, kept = allowance.seconds_a_day, allowance.storage
    return [
        Row(_("Longest side"), pixels % limits.max_side, pixels % settings.MAX_SIDE),
        Row(_("Longest clip"), seconds % limits.max_seconds, seconds % settings.MAX_SECONDS),
        Row(_("Clips that wait or render"), allowance.most_waiting, settings.MAX_ACTIVE_JOBS),
        Row(_("Seconds of video in 24 hours"), none if day is None else seconds % day, none),
        Row(_("Storage"), none if kept is None else filesizeformat(kept), room),
    ]


def devices() -> list[Device]:
    """Return what clips are generated on now, the largest first, each kind once."""
    found = {
        Device("" if worker.device == roster.CPU else worker.device, worker.memory_total)
        for worker in roster.present()
        if STAGES[Stage.GENERATE].queue in worker.queues
    }
    return sorted(found, key=lambda device: (-device.memory, device.name))

"""Pause and order a user's own queue. Whose turn it is stays with generation/queue/turns.py.

The order of a user's waiting clips is that of `Job.queued_at`. Moving a clip deals the same moments out again, so that
what turns.py compares between users, the moment of each one's first clip, stays as it was.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Now

from accounts.models import User
from auravideo.core import publish
from generation.domain.states import Status
from generation.models import Job
from generation.queue import broker, events, services

logger = logging.getLogger(__name__)


class Move(StrEnum):
    """Where a clip goes among its owner's waiting clips. BEFORE names another one, END if it is gone."""

    TOP = "top"
    UP = "up"
    DOWN = "down"
    BEFORE = "before"


@transaction.atomic
def pause(user: User) -> bool:
    """Start none of a user's waiting clips until `resume`. Rendering ones finish. Return whether this call did it."""
    if not User.objects.filter(pk=user.pk, queue_paused_at=None).update(queue_paused_at=Now()):
        return False
    _show_waiting(user)
    return True


@transaction.atomic
def resume(user: User) -> bool:
    """Let a user's waiting clips have their turns again. Return whether this call did it."""
    if not User.objects.filter(pk=user.pk, queue_paused_at__isnull=False).update(queue_paused_at=None):
        return False
    _show_waiting(user)
    transaction.on_commit(partial(_send_tickets, user))
    return True


def _show_waiting(user: User) -> None:
    """Publish a change of all waiting clips of a user."""
    waiting = Job.objects.filter(user=user, status=Status.QUEUED)
    found = list(waiting.values_list("pk", flat=True))
    waiting.update(version=F("version") + 1)
    transaction.on_commit(partial(events.publish_all, user.pk, found))


def _send_tickets(user: User) -> None:
    """Send the messages that workers took and found nobody for while the queue was paused.

    If the broker is down, the sweep sends them, which also finds what is lacking. RabbitMQ lets nobody count; there,
    one message too many finds nobody.
    """
    waiting = list(Job.objects.filter(user=user, status=Status.QUEUED).exclude(waits_in="").order_by("queued_at"))
    try:
        lacking = waiting if settings.BROKER_URL else broker.without_message(waiting)
    except publish.BROKER_ERRORS as error:
        logger.warning("The queue of user %s continues with the next sweep: %s", user.pk, error)
        return
    services.send([job.pk for job in lacking])


@transaction.atomic
def move(job: Job, where: Move, other: UUID | None = None) -> list[UUID] | None:
    """Move a waiting clip among its owner's waiting clips. Return those whose place changed; None if it has started.

    Args:
        other: for `Move.BEFORE`, the clip to put it before; behind all of them by default, or if that has started.
    """
    User.objects.select_for_update(no_key=True).get(pk=job.user_id)  # two moves, or a move and a submission
    mine = Job.objects.filter(user=job.user_id, status=Status.QUEUED)
    moments = dict(mine.select_for_update().order_by("queued_at").values_list("pk", "queued_at"))
    if job.pk not in moments:
        return None
    order = _ordered(list(moments), job.pk, where, other)
    dealt = dict(zip(order, moments.values(), strict=True))
    changed = [pk for pk, moment in dealt.items() if moments[pk] != moment]
    _deal(changed, dealt)
    transaction.on_commit(partial(events.publish_all, job.user_id, changed))
    return changed


def _ordered(order: Sequence[UUID], moved: UUID, where: Move, other: UUID | None) -> list[UUID]:
    left = [pk for pk in order if pk != moved]
    place = order.index(moved)
    if where is Move.BEFORE:
        place = left.index(other) if other in left else len(left)
    else:
        place = {Move.TOP: 0, Move.UP: max(0, place - 1), Move.DOWN: place + 1}[where]
    return [*left[:place], moved, *left[place:]]


def _deal(changed: Sequence[UUID], moments: dict[UUID, datetime]) -> None:
    """Write the moments of clips that still wait, with a new version of each."""
    if changed:
        when = Case(*(When(pk=pk, then=Value(moments[pk])) for pk in changed), default=F("queued_at"))
        waiting = Job.objects.filter(pk__in=changed, status=Status.QUEUED)
        waiting.update(queued_at=when, version=F("version") + 1)

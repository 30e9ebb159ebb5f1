"""New clips before they are queued: what they draw, and whether there is room for them."""

import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Max, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from auravideo.core import storage
from generation.domain.states import ACTIVE, Status
from generation.models import Batch, Job
from generation.queue import blocked_terms
from generation.queue.sending import MAX_PRIORITY
from generation.quotas import checks
from generation.quotas.allowance import UNLIMITED
from generation.quotas.refusals import NotNow, TooManyJobs
from generation.quotas.selectors import allowance_of
from generation.requests import available, drawing
from generation.requests.fields import MAX_SEED, TEMPLATES
from generation.requests.request import RenderRequest

logger = logging.getLogger(__name__)

_TICK = timedelta(microseconds=1)  # between two moments that are told apart


class NoRoom(NotNow):
    """A refusal: the disk is almost full, full or read-only."""

    def __init__(self) -> None:
        text = _("The disk of this site is full or nearly so, and no new clips are accepted until there is room.")
        super().__init__({"prompt": [text]})


def new_jobs(
    user: User,
    requests: Sequence[RenderRequest],
    batch: Batch | None,
    rows: Sequence[int | None],
    repair_of: Job | None = None,
    *,
    within_quotas: bool = True,
) -> list[Job]:
    """Return the jobs of valid requests, not saved yet. Locks the user's row.

    Raises:
        NotNow, BlockedPrompt, InvalidRequest: as in `services.submit`, for any of the requests.
    """
    drawings = _drawn(requests, repair_of)
    blocked = blocked_terms.load()
    for prompt in dict.fromkeys(request.engine_prompt for request, _stored, _seed in drawings):
        blocked.check(prompt)
    for template in {stored.get(TEMPLATES["prompt"], "") for _request, stored, _seed in drawings}:
        blocked.check_template(template)
    queued, now = room_for(user, requests, within_quotas=within_quotas)
    return [
        Job(
            user=user,
            request=stored,
            plan=available.plan_for(request).to_dict(),
            seed=seed,
            priority=min(queued + n, MAX_PRIORITY),
            queued_at=now + n * _TICK,  # orders the queue, so it must be unique
            touched_at=Now(),
            batch=batch,
            row=row,
            repair_of=repair_of,
        )
        for n, ((request, stored, seed), row) in enumerate(zip(drawings, rows, strict=True))
    ]


def _drawn(
    requests: Sequence[RenderRequest], repair_of: Job | None = None
) -> list[tuple[RenderRequest, dict[str, Any], int]]:
    """Return each request with what its seed draws from its prompts, as a job stores it, and that seed.

    Clips of one request get random seeds; those of a template random ones in a row, so that they draw in turn. A repair
    keeps the template of what it repairs, whose drawing it renders.

    Raises:
        InvalidRequest: see `drawing.drawn`.
    """
    lists = available.lists()
    begin: dict[RenderRequest, int] = {}
    found = []
    for request in requests:
        seed = request.seed
        if seed is None:
            seed = begin.get(request, secrets.randbelow(MAX_SEED + 1))
            if drawing.is_template(request, lists):
                begin[request] = (seed + 1) % (MAX_SEED + 1)
        if repair_of is None:
            drawn, written = drawing.drawn(request, seed, lists)
        else:
            kept = repair_of.request
            drawn, written = request, {name: kept[name] for name in TEMPLATES.values() if name in kept}
        found.append((drawn, {**drawn.to_dict(), **written}, seed))
    return found


def room_for(user: User, more: Sequence[RenderRequest], *, within_quotas: bool) -> tuple[int, datetime]:
    """Return how many jobs the user has queued, and a moment after all of them, at which more can be.

    The number is the priority of the next one's first message, so nobody's first clip waits until another user's
    flood is checked. The moment is the database's present. Locks the user's row, so concurrent submissions are counted
    one after the other.

    Raises:
        NotNow, InvalidRequest: `more` would exceed the site's limit, or a quota of the user.
        NoRoom: the disk has none.
    """
    try:
        storage.require_room()
    except storage.StorageUnavailable as error:
        logger.warning("A new clip was refused: %s", error)
        raise NoRoom from error
    locked = User.objects.select_for_update(no_key=True).annotate(now=Now()).get(pk=user.pk)
    mine = Job.objects.filter(user=user, status__in=ACTIVE)
    found = mine.aggregate(
        active=Count("pk"), queued=Count("pk", filter=Q(status=Status.QUEUED)), last=Max("queued_at")
    )
    allowance = allowance_of(user) if within_quotas else UNLIMITED
    if allowance.is_limited:
        checks.require(user, more, allowance)
    elif found["active"] + len(more) > settings.MAX_ACTIVE_JOBS:
        raise TooManyJobs(found["active"], settings.MAX_ACTIVE_JOBS)
    return found["queued"], max(locked.now, found["last"] + _TICK if found["last"] else locked.now)

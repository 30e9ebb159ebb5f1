"""One request in variations, queued as a batch so that its clips can be compared side by side."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts.models import User
from generation.batches.parsing import printable
from generation.models import Batch, Job
from generation.queue import services
from generation.requests.request import RenderRequest

MAX_COMPARED = 36  # clips in one grid: as many as a browser plays at once and a person tells apart
_NAME = 60  # characters of the prompt


@transaction.atomic
def submit(user: User, requests: Sequence[RenderRequest], axes: Sequence[Mapping[str, Any]] = ()) -> list[Job]:
    """Queue the variations of one request, all or none; several become a batch of their own.

    Args:
        axes: the settings that vary besides the seed, see `Batch.axes`.
    Raises:
        TooManyJobs, NoRoom, BlockedPrompt, InvalidRequest: as in `services.submit`.
    """
    if len(requests) == 1:
        return services.submit_many(user, requests)
    # Unlike a file, the same variations can be asked for again, so the digest is not of their content.
    name, digest = printable(requests[0].prompt)[:_NAME], secrets.token_hex(32)
    batch = Batch.objects.create(user=user, name=name, digest=digest, axes=list(axes))
    return services.submit_many(user, requests, batch=batch)


def forget_empty(batch_id: UUID | None) -> None:
    """Delete a batch of variations whose last job was deleted: its name would go on telling their prompt.

    A batch of a file stays, since its file may be queued again.
    """
    if batch_id is not None:
        Batch.objects.filter(pk=batch_id, axes__isnull=False, jobs=None).delete()

"""Run the sweeps: all that is found is listed or deleted, within a time limit, and continued where it stopped."""

import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from django.core.cache import cache
from redis import RedisError

from gallery.pruning import rows, storages
from gallery.pruning.findings import Finding, Sweep

logger = logging.getLogger(__name__)

SWEEPS = (
    Sweep("failed", "failed clips, by the retention rule", rows.failed_clips, rows.delete_failed),
    Sweep("drafts", "unopened drafts, by the retention rule (into the trash)", rows.drafts, rows.trash_draft),
    Sweep("frames", "frames that no job needs", storages.frames, storages.delete_frames),
    Sweep("files", "files that belong to no video", storages.files, storages.delete_stray),
    Sweep("sessions", "expired sessions", rows.sessions, rows.delete_sessions),
    Sweep("ledger", "clips that no longer count for a quota", rows.ledger, rows.delete_ledger),
    Sweep("reports", "what is left of reports on deleted clips", rows.past_reports, rows.delete_past_reports),
    Sweep("broken", "videos without their file", storages.broken_videos, storages.delete_broken, asks=True),
)
SECONDS = 20.0  # time limit of the scheduled run, so that clips in the same queue get their turn
_PLACE = "pruned-up-to:{}"
_PLACE_KEPT = 7 * 24 * 3600


def find(sweep: Sweep) -> Iterable[Finding]:
    """Yield everything that a sweep would delete."""
    return (finding for _place, finding in sweep.find("") if finding is not None)


def delete(sweep: Sweep, finding: Finding) -> bool:
    """Delete one finding. Return whether it worked; one that cannot be deleted does not stop the others."""
    try:
        sweep.remove(finding)
    except Exception:
        logger.exception("Could not delete %s (%s)", finding.name, finding.why)
        return False
    return True


def prune(seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic) -> int:
    """Delete what all sweeps that do not ask find, for up to `seconds`. Return how many things were deleted.

    What there was no time for is looked at by the next run: each sweep remembers how far it came.
    """
    deadline, deleted = clock() + seconds, 0
    for sweep in SWEEPS:
        if not sweep.asks:
            deleted += _sweep(sweep, lambda: clock() > deadline)
    return deleted


def _sweep(sweep: Sweep, is_late: Callable[[], bool]) -> int:
    deleted, size, reached = 0, 0, ""
    for place, finding in sweep.find(_place_of(sweep)):
        if finding is not None and delete(sweep, finding):
            deleted, size = deleted + finding.count, size + finding.size
        if is_late():
            reached = place
            break
    _remember(sweep, reached)  # "" begins at the start
    if deleted:
        logger.info("Pruned %s: %s (%s bytes)", sweep.about, deleted, size)
    return deleted


def _place_of(sweep: Sweep) -> str:
    try:
        return str(cache.get(_PLACE.format(sweep.id), ""))
    except RedisError:
        return ""


def _remember(sweep: Sweep, place: str) -> None:
    with suppress(RedisError):  # then the next run begins at the start
        cache.set(_PLACE.format(sweep.id), place, _PLACE_KEPT)


def any_intact() -> bool:
    """Return whether any video has its file: if none has, the storage is probably not the right one."""
    return any(finding is None for _place, finding in storages.broken_videos(""))

"""Moderation of videos and users: the only writer of reports and of the history.

Each call is one transaction and one compare-and-set, so an action that someone else already took is not repeated. It
records a history entry (who, when, why) and, on commit, notifies the user concerned. `actor` None means the site
itself. `site` is the base URL the actor used, for the link in the email; without it there is no link.
"""

from collections.abc import Collection, Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from gallery import lifecycle as gallery
from gallery import stacks
from gallery.models import (
    MOST_ATTEMPTS,
    UNDECIDED,
    UNSEEN,
    Act,
    ModerationAction,
    PastReport,
    Report,
    ReportState,
    Safety,
    Screened,
    Video,
)
from gallery.moderation import alerts, emails, standing
from gallery.moderation.selectors import is_hidden_by_reports, may_suspend, open_reports

NOT_TOLD = (Act.DISMISS, Act.UNPICK)  # no consequence for the user
WRITTEN_TO = (Act.HIDE, Act.AUTO_HIDE, Act.REFUSE, Act.DELETE, Act.WARN, Act.SUSPEND, Act.UNSUSPEND)
LOOKED_AT = (Act.RESTORE, Act.DISMISS, Act.APPROVE)  # a moderator decided that the video is fine


@transaction.atomic
def report(
    video: Video, reporter: User | None, visitor_key: str, reason: str, note: str = "", *, site: str = ""
) -> bool:
    """File a report. Returns whether it is new: each user or visitor can have one open report per video.

    A video is hidden until a moderator reviews it if the reports of enough people weigh enough (see standing.py).
    After a review, reports no longer hide it. Moderators are told at once.
    """
    _lock(video)
    if open_reports(video).filter(**_who(reporter, visitor_key)).exists():
        return False
    weight = standing.weight_of(reporter, visitor_key)
    facts = {"reporter": reporter, "visitor_key": visitor_key, "reason": reason, "note": note, "weight": weight}
    Report.objects.create(video=video, **facts)
    threshold = settings.AUTO_HIDE_REPORTS
    hides = threshold and not _was_looked_at(video) and standing.is_enough(video, threshold)
    alerts.tell_moderators(video, site, is_hidden=bool(hides) and _hide(None, video, Act.AUTO_HIDE, "", site))
    return True


def keep_past(video: Video) -> None:
    """Keep what is known of the reports on a video that is about to be deleted, and no title that leads to nobody.

    Not those that counted for nothing and were never answered: a flood of them must not stick to an account.
    """
    kept = ("reporter_id", "visitor_key", "reason", "state", "created_at", "handled_at")
    reports = Report.objects.filter(video=video).exclude(state=ReportState.OPEN, weight=0)
    rows = reports.order_by("created_at").values(*kept)
    PastReport.objects.bulk_create([PastReport(person_id=video.user_id, **row) for row in rows], batch_size=500)
    ModerationAction.objects.filter(video=video, person=None).exclude(video_title="").update(video_title="")


def forget_titles(person: User) -> None:
    """Forget what a person whose account is about to be deleted called their clips. What was done is kept."""
    ModerationAction.objects.filter(person=person).exclude(video_title="").update(video_title="")


def past_reports_to_forget() -> QuerySet[PastReport]:
    return PastReport.objects.filter(gone_at__lt=timezone.now() - standing.REMEMBERED)


def _who(reporter: User | None, visitor_key: str) -> dict:
    return {"reporter": reporter} if reporter is not None else {"visitor_key": visitor_key}


def _lock(video: Video) -> bool:
    """Lock the video for this transaction. Returns whether it still exists.

    Locks its owner first, as whatever moves videos does: the other way round, both could wait for each other.
    """
    stacks.lock([video.user_id])
    return Video.objects.select_for_update().filter(pk=video.pk).first() is not None


def _was_looked_at(video: Video) -> bool:
    return video.moderation_actions.filter(act__in=LOOKED_AT, actor__isnull=False).exists()


@transaction.atomic
def dismiss(actor: User, video: Video, why: str) -> int:
    """Dismiss the open reports on a video, and show it again if only reports had hidden it.

    Returns how many reports were open.
    """
    _lock(video)
    count = _close(actor, video, ReportState.DISMISSED)
    if count:
        _record(Act.DISMISS, actor, video=video, why=why)
        if is_hidden_by_reports(video):
            _restore(actor, video, "")  # the owner is told, but never reads the note
    return count


@transaction.atomic
def hide(actor: User, video: Video, why: str, *, site: str = "") -> bool:
    """Hide a video from everyone but its owner, and close its open reports. Returns whether anything changed.

    A video that reports had hidden stays hidden, now by the moderator's decision and with their reason.
    """
    _lock(video)
    closed = _close(actor, video, ReportState.UPHELD)
    if is_hidden_by_reports(video):
        _record(Act.HIDE, actor, video=video, why=why, site=site)
        return True
    return _hide(actor, video, Act.HIDE, why, site) or closed > 0


def _hide(actor: User | None, video: Video, act: Act, why: str, site: str) -> bool:
    if not Video.objects.filter(pk=video.pk, hidden_at=None).update(hidden_at=timezone.now()):
        return False
    _record(act, actor, video=video, why=why, site=site)
    return True


@transaction.atomic
def restore(actor: User, video: Video, why: str) -> bool:
    """Show a hidden video again, within its visibility, and dismiss its open reports. Returns whether anything changed.

    If the video is not hidden, only the reports are dismissed.
    """
    _lock(video)
    closed = _close(actor, video, ReportState.DISMISSED)
    if _restore(actor, video, why):
        return True
    if closed:
        _record(Act.DISMISS, actor, video=video, why=why)
    return closed > 0


def _restore(actor: User, video: Video, why: str) -> bool:
    if not Video.objects.filter(pk=video.pk, hidden_at__isnull=False).update(hidden_at=None):
        return False
    _record(Act.RESTORE, actor, video=video, why=why)
    return True


# --- What the safety check found -------------------------------------------------------------------------------------


@transaction.atomic
def flag(video: Video) -> bool:
    """Let a video wait for a moderator: the safety check is not sure about it. Returns whether this call did.

    The owner is told that it waits, not that they did wrong; moderators are told that somebody waits.
    """
    _lock(video)
    if not _screened(video, (*UNDECIDED, Screened.PASSED), Screened.FLAGGED):
        return False
    _record(Act.WAIT, None, video=video)
    alerts.tell_of_waiting(video)
    return True


@transaction.atomic
def clear(video: Video) -> bool:
    """Stop a video from waiting, because it is below the new threshold. Returns whether this call did."""
    _lock(video)
    if not _screened(video, (Screened.FLAGGED,), Screened.PASSED):
        return False
    _record(Act.PASS, None, video=video)
    return True


@transaction.atomic
def approve(actor: User, video: Video, why: str) -> bool:
    """Let others see what the safety check held back or has not seen, whatever the threshold becomes.

    The operator's own check still has to pass it, unless that cannot look at it. Returns whether this call did.
    """
    _lock(video)
    if not _screened(video, (Screened.FLAGGED, Screened.REFUSED), Screened.APPROVED, by_hand=True):
        return False
    stuck = Video.objects.filter(pk=video.pk, safety=Safety.UNCHECKED, own_check__attempts__gte=MOST_ATTEMPTS)
    stuck.update(safety=Safety.PASSED)
    _record(Act.APPROVE, actor, video=video, why=why)
    return True


@transaction.atomic
def refuse(actor: User, video: Video, why: str, *, site: str = "") -> bool:
    """Keep what the safety check held back or has not seen from others, for good. Returns whether this call did."""
    _lock(video)
    if not _screened(video, (Screened.FLAGGED,), Screened.REFUSED, by_hand=True):
        return False
    _record(Act.REFUSE, actor, video=video, why=why, site=site)
    return True


def _screened(video: Video, before: Collection[Screened], after: Screened, *, by_hand: bool = False) -> bool:
    """Move the state. A decision `by_hand` need not wait for a check that is late or fails."""
    known = Q(screening__in=before)
    due = known | UNSEEN if by_hand else known
    return bool(Video.objects.filter(due, pk=video.pk).update(screening=after))


@transaction.atomic
def delete(actor: User, video: Video, why: str, *, site: str = "") -> bool:
    """Delete a video forever, bypassing the trash. Returns whether this call did."""
    if not _lock(video) or not gallery.delete(video):
        return False
    _close(actor, video, ReportState.UPHELD)
    _record(Act.DELETE, actor, video=video, why=why, site=site)
    return True


@transaction.atomic
def warn(actor: User, person: User, why: str, video: Video | None = None, *, site: str = "") -> bool:
    """Send the user a warning, and close the open reports on `video`. Returns False if the account is being deleted."""
    if video is not None:
        _lock(video)
    if not User.objects.filter(pk=person.pk, deletion_requested_at=None).exists():
        return False
    if video is not None:
        _close(actor, video, ReportState.UPHELD)
    _record(Act.WARN, actor, person=person, video=video, why=why, site=site)
    return True


@transaction.atomic
def suspend(
    actor: User, person: User, until: datetime | None, why: str, video: Video | None = None, *, site: str = ""
) -> bool:
    """Suspend a user until a given time, or indefinitely, and close the open reports on `video`.

    Returns whether it was done: nobody can suspend themselves, and only superusers can suspend staff.
    """
    if video is not None:
        _lock(video)
    if not may_suspend(actor, person) or not accounts.suspend(person, until, why):
        return False
    if video is not None:
        _close(actor, video, ReportState.UPHELD)
    _record(Act.SUSPEND, actor, person=person, video=video, why=why, until=until, site=site)
    return True


@transaction.atomic
def unsuspend(actor: User, person: User, why: str, *, site: str = "") -> bool:
    """End a suspension early. Returns whether this call did; requires the right to suspend the user."""
    if not may_suspend(actor, person) or not accounts.unsuspend(person):
        return False
    _record(Act.UNSUSPEND, actor, person=person, why=why, site=site)
    return True


def note_end_of_suspension(person: User, *, site: str = "") -> None:
    """Record that a suspension has expired; accounts/services.py ends it."""
    _record(Act.UNSUSPEND, None, person=person, site=site)


@transaction.atomic
def pick(actor: User, video: Video, why: str = "") -> bool:
    """Add a public video to the staff picks. Returns whether this call did."""
    _lock(video)
    listed = Video.objects.listed().filter(pk=video.pk, picked_at=None)
    if not Video.objects.filter(pk__in=listed.values("pk")).update(picked_at=timezone.now()):
        return False
    _record(Act.PICK, actor, video=video, why=why)
    return True


@transaction.atomic
def unpick(actor: User, video: Video, why: str = "") -> bool:
    if not Video.objects.filter(pk=video.pk, picked_at__isnull=False).update(picked_at=None):
        return False
    _record(Act.UNPICK, actor, video=video, why=why)
    return True


@transaction.atomic
def mark_seen(person: User, notices: Iterable[ModerationAction]) -> None:
    """Mark these notices as read, and update the unread count."""
    unseen = [notice.pk for notice in notices if notice.seen_at is None]
    User.objects.select_for_update(no_key=True).get(pk=person.pk)  # concurrent notices wait, and are counted afterwards
    ModerationAction.objects.filter(person=person, pk__in=unseen, seen_at=None).update(seen_at=timezone.now())
    left = ModerationAction.objects.filter(person=person, seen_at=None).count()
    User.objects.filter(pk=person.pk).exclude(unread_notices=left).update(unread_notices=left)
    person.unread_notices = left


def _close(actor: User, video: Video, state: ReportState) -> int:
    return open_reports(video).update(state=state, handled_by=actor, handled_at=timezone.now())


def _record(
    act: Act,
    actor: User | None,
    *,
    person: User | None = None,
    video: Video | None = None,
    why: str = "",
    until: datetime | None = None,
    site: str = "",
) -> None:
    """Record a history entry, which is also a notice to the user concerned, with an email if it is serious."""
    concerned = None if act in NOT_TOLD else person or (video.user if video else None)
    action = ModerationAction.objects.create(
        act=act,
        actor=actor,
        person=concerned,
        video=video,
        video_title=video.title if video is not None else "",
        reason=why,
    )
    if concerned is None:
        return
    User.objects.filter(pk=concerned.pk).update(unread_notices=F("unread_notices") + 1)
    if act in WRITTEN_TO:
        transaction.on_commit(lambda: emails.send(action, until, site), robust=True)  # Django cannot log a partial

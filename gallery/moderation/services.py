"""What moderation does about videos and people: the only writer of reports and of the history.

Each call is one transaction and one compare-and-set: what somebody else has done already is done once. It writes a line
of the history (who, when, why) and, on commit, tells the person concerned. `actor` None means the site itself. `site`
is the address that the actor reached it at, for the link in the email; without it there is no link.
"""

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import services as accounts
from accounts.models import User
from gallery import lifecycle as gallery
from gallery.models import Act, ModerationAction, Report, ReportState, Video
from gallery.moderation import emails
from gallery.moderation.selectors import is_hidden_by_reports, may_suspend, open_reports, reporters_of

NOT_TOLD = (Act.DISMISS, Act.UNPICK)  # nothing happened to the person
WRITTEN_TO = (Act.HIDE, Act.AUTO_HIDE, Act.DELETE, Act.WARN, Act.SUSPEND, Act.UNSUSPEND)
LOOKED_AT = (Act.RESTORE, Act.DISMISS)  # acts by which somebody found a video to be in order


@transaction.atomic
def report(
    video: Video, reporter: User | None, visitor_key: str, reason: str, note: str = "", *, site: str = ""
) -> bool:
    """Take in a report. Says whether it is new: of the same person or visitor, one is open at a time.

    A video that enough different people report is hidden until somebody has looked at it; one that somebody has looked
    at stays as they left it.
    """
    _lock(video)
    if open_reports(video).filter(**_who(reporter, visitor_key)).exists():
        return False
    Report.objects.create(video=video, reporter=reporter, visitor_key=visitor_key, reason=reason, note=note)
    if 0 < settings.AUTO_HIDE_REPORTS <= reporters_of(video) and not _was_looked_at(video):
        _hide(None, video, Act.AUTO_HIDE, "", site)
    return True


def _who(reporter: User | None, visitor_key: str) -> dict:
    return {"reporter": reporter} if reporter is not None else {"visitor_key": visitor_key}


def _lock(video: Video) -> bool:
    """What else happens to this video waits for this transaction. Says whether the video is still there."""
    return Video.objects.select_for_update().filter(pk=video.pk).first() is not None


def _was_looked_at(video: Video) -> bool:
    return video.moderation_actions.filter(act__in=LOOKED_AT, actor__isnull=False).exists()


@transaction.atomic
def dismiss(actor: User, video: Video, why: str) -> int:
    """Find that a video may stay: its open reports are answered, and it is shown again if only they had hidden it.

    Returns how many reports were open.
    """
    _lock(video)
    count = _close(actor, video, ReportState.DISMISSED)
    if count:
        _record(Act.DISMISS, actor, video=video, why=why)
        if is_hidden_by_reports(video):
            _restore(actor, video, why)
    return count


@transaction.atomic
def hide(actor: User, video: Video, why: str, *, site: str = "") -> bool:
    """Show a video to nobody but its owner; open reports of it are answered by that.

    What its reports had hidden is hidden by somebody then, who says why. Says whether anything changed.
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
    """Show a hidden video again, to whom its visibility lets; open reports of it are answered by that.

    Of one that is not hidden they are dismissed. Says whether anything changed.
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


@transaction.atomic
def delete(actor: User, video: Video, why: str, *, site: str = "") -> bool:
    """Delete a video for good, without the time in which its owner could have it back."""
    if not _lock(video) or not gallery.delete(video):
        return False
    _close(actor, video, ReportState.UPHELD)
    _record(Act.DELETE, actor, video=video, why=why, site=site)
    return True


@transaction.atomic
def warn(actor: User, person: User, why: str, video: Video | None = None, *, site: str = "") -> bool:
    """Tell a person that what they did is not wanted here; open reports of `video` are answered by that."""
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
    """Shut a person out until a moment, or until somebody ends it; open reports of `video` are answered by that.

    Says whether it was done: nobody may do it to themselves, and a moderator not to other staff.
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
    """End a suspension before its time; by whoever may suspend the person."""
    if not may_suspend(actor, person) or not accounts.unsuspend(person):
        return False
    _record(Act.UNSUSPEND, actor, person=person, why=why, site=site)
    return True


def note_end_of_suspension(person: User, *, site: str = "") -> None:
    """The line for a suspension that has run out; accounts/services.py ends it."""
    _record(Act.UNSUSPEND, None, person=person, site=site)


@transaction.atomic
def pick(actor: User, video: Video, why: str = "") -> bool:
    """Put a video that everybody may find among the picks of the staff."""
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
    """Note that a person has read these, and count what is left."""
    unseen = [notice.pk for notice in notices if notice.seen_at is None]
    User.objects.select_for_update(no_key=True).get(pk=person.pk)  # a notice that comes just now is counted after this
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
    """A line of the history, which is a notice for the person concerned, and a letter where it is serious."""
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

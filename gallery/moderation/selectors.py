"""Queries of moderation, and who may do what. Read only."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Count, F, QuerySet, Window
from django.db.models.functions import RowNumber

from accounts.models import User
from gallery.access import MODERATE
from gallery.models import Act, ModerationAction, PastReport, Reason, Report, ReportState, Screened, Video, Visibility

if TYPE_CHECKING:
    from gallery.annotated import NewestReport


def open_reports(video: Video) -> QuerySet[Report]:
    return Report.objects.filter(video=video, state=ReportState.OPEN)


def newest_open_reports(videos: QuerySet[Video], each: str, at_most: int) -> "QuerySet[NewestReport]":
    """Return the newest open reports, up to `at_most` per group; `of_all` is the size of the group.

    `each` is the report field to group by, such as the video or its user. A single query.
    """
    place = Window(RowNumber(), partition_by=F(each), order_by=[F("created_at").desc(), F("pk").desc()])
    of_all = Window(Count("pk"), partition_by=F(each))
    found = Report.objects.filter(video__in=videos, state=ReportState.OPEN)
    found = found.annotate(place=place, of_all=of_all).filter(place__lte=at_most)
    return found.select_related("video", "reporter").order_by("place")


def notices_of(person: User) -> QuerySet[ModerationAction]:
    """Return the moderation notices of a user."""
    return ModerationAction.objects.filter(person=person).select_related("video")


def history_of_video(video: Video) -> QuerySet[ModerationAction]:
    return ModerationAction.objects.filter(video=video).select_related("actor", "person")


def history_of_person(person: User) -> QuerySet[ModerationAction]:
    return ModerationAction.objects.filter(person=person).select_related("actor", "video")


@dataclass
class Tally:
    """How reports fared. `gone` is how many of them were on clips that do not exist any more."""

    label: str = ""
    upheld: int = 0
    dismissed: int = 0
    open: int = 0
    gone: int = 0

    @property
    def all(self) -> int:
        return self.upheld + self.dismissed + self.open


def reports_about(person: User) -> list[Tally]:
    """Return how reports on somebody's clips fared, by reason, also on those deleted in the last year."""
    return _tallies(Report.objects.filter(video__user=person), PastReport.objects.filter(person=person))


def reports_by(person: User) -> Tally:
    """Return how somebody's own reports fared, also on clips deleted in the last year."""
    total = Tally()
    for tally in _tallies(Report.objects.filter(reporter=person), PastReport.objects.filter(reporter=person)):
        total.upheld, total.dismissed = total.upheld + tally.upheld, total.dismissed + tally.dismissed
        total.open, total.gone = total.open + tally.open, total.gone + tally.gone
    return total


def _tallies(reports: QuerySet[Report], past: QuerySet[PastReport]) -> list[Tally]:
    found = {reason.value: Tally(str(reason.label)) for reason in Reason}
    for rows, is_gone in ((reports, False), (past, True)):
        for reason, state, count in rows.order_by().values_list("reason", "state").annotate(count=Count("pk")):
            tally = found.setdefault(reason, Tally(reason))
            setattr(tally, state, getattr(tally, state) + count)
            tally.gone += count * is_gone
    return [tally for tally in found.values() if tally.all]


def hiding_of(video: Video) -> ModerationAction | None:
    """Return the action that hid the video; None if it is not hidden."""
    if video.hidden_at is None:
        return None
    return ModerationAction.objects.filter(video=video, act__in=(Act.HIDE, Act.AUTO_HIDE)).first()


def is_hidden_by_reports(video: Video) -> bool:
    newest = video.moderation_actions.filter(act__in=(Act.HIDE, Act.AUTO_HIDE, Act.RESTORE)).first()
    return newest is not None and newest.act == Act.AUTO_HIDE


def may_suspend(actor: User, person: User) -> bool:
    """Return whether `actor` may suspend `person`: never themselves, and other staff only as a superuser."""
    if actor.pk == person.pk:
        return False
    is_staff = person.is_superuser or person.is_staff or person.has_perm(MODERATE)
    return actor.is_superuser or not is_staff


# --- What would change something --------------------------------------------------------------------------------------


def would_hide(video: Video) -> bool:
    """Return whether hiding would change anything: also true if only reports hid it, or if some are open."""
    return video.hidden_at is None or is_hidden_by_reports(video) or open_reports(video).exists()


def would_approve(video: Video) -> bool:
    return video.screening in (Screened.FLAGGED, Screened.REFUSED) or _is_unseen(video)


def would_refuse(video: Video) -> bool:
    return video.screening == Screened.FLAGGED or _is_unseen(video)


def _is_unseen(video: Video) -> bool:
    """Return whether somebody has shared the video and the safety check has not decided about it."""
    is_shared = video.visibility != Visibility.PRIVATE and video.deleted_at is None
    return video.screening == Screened.UNSEEN and is_shared


def would_pick(video: Video) -> bool:
    return video.picked_at is None and Video.objects.listed().filter(pk=video.pk).exists()


def would_suspend(actor: User, person: User) -> bool:
    """Return whether a suspension would change anything. It may replace an earlier one.

    Not for accounts that an operator has disabled: those are closed already.
    """
    is_open = person.is_active or person.is_deactivated or person.is_suspended
    return is_open and not person.is_being_deleted and may_suspend(actor, person)


def would_unsuspend(actor: User, person: User) -> bool:
    return person.is_suspended and may_suspend(actor, person)

"""What moderation looks at, and who may do what: read only."""

from django.db.models import QuerySet

from accounts.models import User
from gallery.models import Act, ModerationAction, Report, ReportState, Video
from gallery.selectors import MODERATE


def open_reports(video: Video) -> QuerySet[Report]:
    return Report.objects.filter(video=video, state=ReportState.OPEN)


def reporters_of(video: Video) -> int:
    """How many different people have an open report of a video, as far as one can know.

    Those who share an address count once, signed in or not: accounts are quickly made.
    """
    return open_reports(video).values("visitor_key").distinct().count()


def notices_of(person: User) -> QuerySet[ModerationAction]:
    """What moderation has to tell a person."""
    return ModerationAction.objects.filter(person=person).select_related("video")


def history_of_video(video: Video) -> QuerySet[ModerationAction]:
    return ModerationAction.objects.filter(video=video).select_related("actor", "person")


def history_of_person(person: User) -> QuerySet[ModerationAction]:
    return ModerationAction.objects.filter(person=person).select_related("actor", "video")


def hiding_of(video: Video) -> ModerationAction | None:
    """Why a video is hidden, and since when; None where it is not."""
    if video.hidden_at is None:
        return None
    return ModerationAction.objects.filter(video=video, act__in=(Act.HIDE, Act.AUTO_HIDE)).first()


def may_suspend(actor: User, person: User) -> bool:
    """Nobody themselves; other staff by a superuser alone."""
    if actor.pk == person.pk:
        return False
    is_staff = person.is_superuser or person.is_staff or person.has_perm(MODERATE)
    return actor.is_superuser or not is_staff

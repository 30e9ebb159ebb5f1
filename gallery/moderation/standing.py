"""How much a report counts towards hiding a clip before a moderator has looked at it.

Reports are always kept for the moderators. Hiding by themselves is what strangers would abuse, so it takes people whom
the site knows: an account counts by its age, and everybody by what moderators decided on their earlier reports.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Case, Count, F, FloatField, Max, Q, QuerySet, Value, When
from django.utils import timezone

from accounts.models import User
from gallery.models import PastReport, Report, ReportState, Video

ESTABLISHED = timedelta(days=7)  # age of an account that counts in full
VISITOR, NEWCOMER, KNOWN = 0.2, 0.5, 1.0
REMEMBERED = timedelta(days=365)  # how long decisions on earlier reports count
AT_ONCE, AT_ONCE_WITHIN = 3, timedelta(days=1)  # further unanswered reports of one person do not hide anything
DISTRUSTED = 0.4  # below this, few reports are taken


@dataclass(frozen=True)
class Standing:
    """What moderators decided on somebody's earlier reports."""

    upheld: int = 0
    dismissed: int = 0

    @property
    def trust(self) -> float:
        """Return from 1 (nothing dismissed) towards 0. One mistake costs a third, and being right earns it back."""
        return (2 + self.upheld) / (2 + self.upheld + self.dismissed)


def standing_of(reporter: User | None, visitor_key: str) -> Standing:
    """Return the standing of an account or, signed out and for new accounts, of the network address."""
    own = Q(_reports_of(reporter, visitor_key), handled_at__gt=timezone.now() - REMEMBERED)
    found = [_decided(Report.objects.filter(own)), _decided(PastReport.objects.filter(own))]
    return Standing(sum(counts["upheld"] for counts in found), sum(counts["dismissed"] for counts in found))


def _decided(reports: QuerySet) -> dict[str, int]:
    return reports.aggregate(
        upheld=Count("pk", filter=Q(state=ReportState.UPHELD)),
        dismissed=Count("pk", filter=Q(state=ReportState.DISMISSED)),
    )


def weight_of(reporter: User | None, visitor_key: str) -> float:
    """Return how much a new report counts, from 0 to `KNOWN`."""
    waiting = Report.objects.filter(
        _reports_of(reporter, visitor_key), state=ReportState.OPEN, created_at__gt=timezone.now() - AT_ONCE_WITHIN
    )
    if waiting.count() >= AT_ONCE:
        return 0.0
    return _usual(reporter) * standing_of(reporter, visitor_key).trust


def _usual(reporter: User | None) -> float:
    if reporter is None:
        return VISITOR
    return KNOWN if is_established(reporter) else NEWCOMER


def is_established(user: User) -> bool:
    return user.date_joined <= timezone.now() - ESTABLISHED


def is_enough(video: Video, threshold: int) -> bool:
    """Return whether the open reports on a video hide it: enough weight, at least half of it from known accounts.

    Visitors sharing a network address count once, signed in or not, because accounts are cheap to create.
    """
    is_known = Q(reporter__date_joined__lte=timezone.now() - ESTABLISHED)
    known: Any = Case(When(is_known, then=F("weight")), default=Value(0.0), output_field=FloatField())
    open_reports = Report.objects.filter(video=video, state=ReportState.OPEN)
    heaviest = open_reports.order_by().values("visitor_key").annotate(all=Max("weight"), known=Max(known))
    rows = list(heaviest.values_list("all", "known"))
    least = threshold - 1e-6  # sums of floats
    return sum(row[0] for row in rows) >= least and sum(row[1] for row in rows) >= least / 2


def _reports_of(reporter: User | None, visitor_key: str) -> Q:
    if reporter is None:
        return Q(visitor_key=visitor_key, reporter=None)
    if is_established(reporter):
        return Q(reporter=reporter)
    return Q(reporter=reporter) | Q(visitor_key=visitor_key)  # so that a new account is no new beginning

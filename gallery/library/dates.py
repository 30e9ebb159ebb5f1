"""The days, weeks, months and years that a library is grouped and filtered by, in the current time zone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

FIRST_DAY, LAST_DAY = date(2020, 1, 1), date(2199, 12, 31)  # no clip is older; dates far off overflow
_MONTHS = 12  # listed one by one; older ones by year
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Period:
    """Whole days, both ends included. `part` is the part that no other listed period covers."""

    key: str
    label: str
    first: date
    last: date
    part_until: date | None = None

    @property
    def query(self) -> dict[str, str]:
        return {"since": self.first.isoformat(), "until": self.last.isoformat()}

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """Return the moments at which the period begins and has ended."""
        return start_of(self.first), start_of((self.part_until or self.last) + _DAY)


def start_of(day: date) -> datetime:
    """Return the moment at which a day begins in the current time zone."""
    return timezone.make_aware(datetime.combine(day, time.min))


def day_after(day: date) -> datetime:
    """Return the moment at which a day has ended in the current time zone."""
    return start_of(day + _DAY)


def group_of(day: date, today: date) -> Period:
    """Return the period under whose heading a clip of this day is listed: today, this or last week, or its month."""
    return next((period for period in _recent(today) if period.first <= day <= period.last), _month(day, today))


def offered(today: date, chosen: date | None = None) -> list[Period]:
    """Return the periods to choose from, newest first; with `chosen`, also the months of that day's year."""
    months = list(_months(today))
    oldest = months[-1].first
    years = [_year(number, oldest) for number in range(oldest.year, FIRST_DAY.year - 1, -1)]
    found = [*_recent(today), *months]
    for year in (year for year in years if year.first < oldest):
        found.append(year)
        if chosen and chosen.year == year.first.year:
            last = min(year.last, oldest - _DAY)
            found += [_month(last.replace(day=1, month=number), today) for number in range(last.month, 0, -1)]
    return [period for period in found if period.first <= (period.part_until or period.last)]


def _recent(today: date) -> list[Period]:
    monday = today - timedelta(days=today.weekday())
    return [
        Period("today", _("Today"), today, today),
        Period("week", _("This week"), monday, monday + 6 * _DAY),
        Period("last-week", _("Last week"), monday - 7 * _DAY, monday - _DAY),
    ]


def _months(today: date) -> Iterator[Period]:
    first = today.replace(day=1)
    for _number in range(_MONTHS):
        yield _month(first, today)
        first = (first - _DAY).replace(day=1)


def _month(day: date, today: date) -> Period:
    first = day.replace(day=1)
    last = (first + 31 * _DAY).replace(day=1) - _DAY
    label = date_format(first, "F" if first.year == today.year else "YEAR_MONTH_FORMAT")
    return Period(first.isoformat()[:7], label, first, last)


def _year(number: int, oldest_month: date) -> Period:
    """Return a year; the months from `oldest_month` on are listed by themselves."""
    first, last = date(number, 1, 1), date(number, 12, 31)
    return Period(str(number), str(number), first, last, min(last, oldest_month - _DAY))

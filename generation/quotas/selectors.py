"""What users may use, and what they have used. Constant numbers of queries."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q

from accounts.models import User
from generation.domain.states import ACTIVE
from generation.models import Job, Quota
from generation.quotas import kept, ledger
from generation.quotas.allowance import UNLIMITED, Allowance, combine

NEAR_PERCENT = 80
_EVERYBODY = Q(user=None, group=None)


@dataclass(frozen=True)
class Standing:
    """What a user may use and what they use now.

    `spent` lists (moment, seconds) of the clips of the last 24 hours, the oldest first; it is empty if no quota asks.
    `kept` and `coming` are bytes: of finished clips, and about what those being made will need; 0 if no quota asks.
    """

    allowance: Allowance
    active: int = 0
    spent: tuple[tuple[datetime, int], ...] = ()
    kept: int = 0
    coming: int = 0

    @property
    def seconds_used(self) -> int:
        return sum(seconds for _moment, seconds in self.spent)

    @property
    def seconds_left(self) -> int:
        return max(0, (self.allowance.seconds_a_day or 0) - self.seconds_used)

    @property
    def waiting_left(self) -> int:
        return max(0, self.allowance.most_waiting - self.active)

    @property
    def storage_left(self) -> int:
        return max(0, (self.allowance.storage or 0) - self.kept - self.coming)

    def free_at(self, needed: int) -> datetime | None:
        """Return when `needed` seconds are left; None if they are now, or never will be."""
        missing = needed - self.seconds_left
        if missing <= 0:
            return None
        missing = needed + self.seconds_used - (self.allowance.seconds_a_day or 0)
        for moment, seconds in self.spent:
            missing -= seconds
            if missing <= 0:
                return _freed(moment)
        return None

    @property
    def next_free(self) -> tuple[int, datetime] | None:
        """Return the seconds that come free next, and when; None if nothing was spent."""
        if not self.spent:
            return None
        moment, seconds = self.spent[0]
        return seconds, _freed(moment)


def _freed(moment: datetime) -> datetime:
    """Return when what was counted at a moment no longer is, rounded up to a minute, as pages write it."""
    freed = moment + ledger.DAY
    whole = freed.replace(second=0, microsecond=0)
    return whole if whole == freed else whole + timedelta(minutes=1)


def allowance_of(user: User) -> Allowance:
    """Return what a user may use, by one query."""
    groups = User.groups.through.objects.filter(user=user.pk).values("group")
    rows = list(Quota.objects.filter(Q(user=user.pk) | Q(group__in=groups) | _EVERYBODY))
    return _combined(user.is_superuser, rows) if rows else UNLIMITED


def _combined(is_superuser: bool, rows: Collection[Quota]) -> Allowance:
    own = next((row for row in rows if row.user_id), None)
    if is_superuser:
        return combine(own, (), None)
    everybody = next((row for row in rows if not row.user_id and not row.group_id), None)
    return combine(own, (row for row in rows if row.group_id), everybody)


def standing_of(user: User, allowance: Allowance | None = None) -> Standing:
    """Return a user's standing, by at most four queries; fewer where no quota asks."""
    allowance = allowance_of(user) if allowance is None else allowance
    active = Job.objects.filter(user=user.pk, status__in=ACTIVE).count()
    spent: Sequence[tuple[datetime, int]] = ()
    stored = coming = 0
    if allowance.seconds_a_day is not None or allowance.storage is not None:
        entries = ledger.counted().annotate(is_recent=ledger.is_recent()).filter(user=user.pk).order_by("counted_at")
        rows = list(entries.values_list("counted_at", "charged", "size", "is_recent", "job__status"))
        spent = [(moment, seconds) for moment, seconds, _size, is_recent, _status in rows if is_recent]
        coming = sum(size for *_rest, size, _is_recent, status in rows if status in ACTIVE)
    if allowance.storage is not None:
        stored = kept.bytes_of(user.pk)
    return Standing(allowance, active, tuple(spent), stored, coming)


@dataclass(frozen=True)
class Near:
    """A user who uses most of a quota: `percent` of `quota`, a field of Allowance."""

    user: User
    quota: str
    used: int
    most: int

    @property
    def percent(self) -> int:
        return 100 * self.used // self.most if self.most else 100


def near(most: int = 50) -> list[Near]:
    """Return who has used most of a quota of theirs, the fullest first, by a constant number of queries."""
    quotas = list(Quota.objects.all())
    if not quotas:
        return []
    used = _used_by_all()
    allowances = _allowances(quotas, used)
    users = User.objects.filter(is_active=True).in_bulk(list(used))
    found = [
        Near(users[user_id], name, amount, limit)
        for user_id, amounts in used.items()
        if user_id in users
        for name, amount in amounts.items()
        if (limit := getattr(allowances[user_id], name)) is not None and amount and amount * 100 >= limit * NEAR_PERCENT
    ]
    return sorted(found, key=lambda one: -one.percent)[:most]


def _used_by_all() -> dict[int, dict[str, int]]:
    """Return what each user who uses anything uses, by the names of Allowance."""
    used: dict[int, dict[str, int]] = defaultdict(lambda: {"waiting": 0, "seconds_a_day": 0, "storage": 0})
    active = Job.objects.filter(status__in=ACTIVE).order_by().values_list("user").annotate(Count("pk"))
    for user_id, count in active:
        used[user_id]["waiting"] += count
    entries = ledger.counted().annotate(is_recent=ledger.is_recent()).order_by()
    rows = entries.values_list("user", "charged", "size", "is_recent", "job__status")
    for user_id, seconds, size, is_recent, status in rows.iterator():
        used[user_id]["seconds_a_day"] += seconds if is_recent else 0
        used[user_id]["storage"] += size if status in ACTIVE else 0
    for user_id, size in kept.bytes_by_user().items():
        used[user_id]["storage"] += size
    return dict(used)


def _allowances(quotas: Sequence[Quota], user_ids: Collection[int]) -> dict[int, Allowance]:
    """Return the allowances of several users."""
    own = {quota.user_id: quota for quota in quotas if quota.user_id}
    of_groups = {quota.group_id: quota for quota in quotas if quota.group_id}
    everybody = [quota for quota in quotas if not quota.user_id and not quota.group_id]
    members: dict[int, list[Quota]] = defaultdict(list)
    for user_id, group_id in User.groups.through.objects.filter(group__in=of_groups).values_list("user", "group"):
        members[user_id].append(of_groups[group_id])
    superusers = set(User.objects.filter(is_superuser=True).values_list("pk", flat=True))
    return {
        user_id: _combined(
            user_id in superusers, [*([own[user_id]] if user_id in own else []), *members[user_id], *everybody]
        )
        for user_id in user_ids
    }

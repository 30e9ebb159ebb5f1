"""Subscriptions as personal data: counted, exported and erased with the account."""

from collections.abc import Iterable, Iterator

from django.utils.translation import ngettext

from accounts.models import PushSubscription, User
from accounts.personal_data import Holder, Holding
from auravideo.core.zips import ZipEntry, json_list


class BrowsersOfPerson(Holder):
    def summary(self, user: User) -> Iterable[Holding]:
        if count := PushSubscription.objects.filter(user=user).count():
            yield Holding(ngettext("%d browser with notifications", "%d browsers with notifications", count) % count)

    def stop(self, user: User) -> None:
        PushSubscription.objects.filter(user=user).delete()

    def export(self, user: User) -> Iterable[ZipEntry]:
        if PushSubscription.objects.filter(user=user).exists():
            yield json_list("notifications.json", lambda: map(_record, PushSubscription.objects.filter(user=user)))

    def erase(self, user: User) -> Iterator[None]:
        PushSubscription.objects.filter(user=user).delete()
        yield


def _record(subscription: PushSubscription) -> dict:
    """Return a subscription without what would let others send to the browser."""
    return {
        "push_service": subscription.service,
        "language": subscription.language,
        "created": subscription.created_at,
    }

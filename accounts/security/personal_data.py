"""Sessions and security events as personal data: exported and erased with the account."""

from collections.abc import Iterable, Iterator

from allauth.usersessions.models import UserSession
from django.utils.translation import ngettext

from accounts.models import SecurityEvent, User
from accounts.personal_data import Holder, Holding
from accounts.security import sessions
from auravideo.core.zips import ZipEntry, json_list


class SecurityOfPerson(Holder):
    def summary(self, user: User) -> Iterable[Holding]:
        if count := SecurityEvent.objects.filter(user=user).count():
            text = ngettext("%d entry of your sign-ins and changes", "%d entries of your sign-ins and changes", count)
            yield Holding(text % count)

    def stop(self, user: User) -> None:
        sessions.end_all(user)

    def export(self, user: User) -> Iterable[ZipEntry]:
        if UserSession.objects.filter(user_id=user.pk).exists():
            yield json_list("sessions.json", lambda: map(_session, UserSession.objects.filter(user_id=user.pk)))
        if SecurityEvent.objects.filter(user=user).exists():
            yield json_list("security.json", lambda: map(_event, SecurityEvent.objects.filter(user=user)))

    def erase(self, user: User) -> Iterator[None]:
        UserSession.objects.filter(user_id=user.pk).delete()
        SecurityEvent.objects.filter(user=user).delete()
        yield


def _session(row: UserSession) -> dict:
    """Return a session without its key, which would sign others in."""
    return {"began": row.created_at, "last_seen": row.last_seen_at, "address": row.ip, "browser": row.user_agent}


def _event(event: SecurityEvent) -> dict:
    return {
        "what": event.kind,
        "when": event.at,
        "address": event.ip,
        "browser": event.user_agent,
        "details": event.detail,
    }

"""Everything that may happen to an account as a whole: leave, come back, be suspended, be deleted, be handed out."""

import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.db.models import BooleanField, Case, F, Q, QuerySet, Value, When
from django.utils import timezone

from accounts import personal_data, signals
from accounts.models import User
from auravideo.core import publish
from auravideo.core.zips import Entry, json_file

log = logging.getLogger(__name__)

SETTLE_TASK = "accounts.tasks.settle"
SETTLE_SECONDS = 20.0  # a task deletes for so long, then makes room for the clips that wait in the same queue
SETTLE_ANEW = timedelta(days=1)  # how long the sweeper looks again at an account that was switched off


@transaction.atomic
def deactivate(user: User) -> bool:
    """Switch an account off: nobody can sign in, every session ends, what runs is cancelled, nothing is deleted."""
    now = timezone.now()
    changes = {"is_active": False, "deactivated_at": now, "session_epoch": F("session_epoch") + 1}
    if not User.objects.filter(pk=user.pk, is_active=True).update(**changes):
        return False
    transaction.on_commit(partial(send_settle, user.pk))
    log.info("Account %s was deactivated", user.pk)
    return True


def reactivate(user: User) -> bool:
    """Switch a deactivated account on again. Says whether this call did."""
    if not User.objects.deactivated().filter(pk=user.pk).update(is_active=True, deactivated_at=None):
        return False
    log.info("Account %s is active again", user.pk)
    return True


@transaction.atomic
def suspend(user: User, until: datetime | None, reason: str) -> bool:
    """Switch an account off for moderation: as when its owner does, except that they cannot switch it on again.

    `until` None means until somebody ends it. A second suspension takes the place of the first. Says whether it stands
    now; not where the account is being deleted, or was switched off by the operator, which ends by hand alone.
    """
    changes: dict[str, Any] = {"suspended_until": until, "suspension_reason": reason, "is_active": False}
    changes |= {"suspended_at": timezone.now(), "session_epoch": F("session_epoch") + 1}
    ours = Q(is_active=True) | Q(deactivated_at__isnull=False) | Q(suspended_at__isnull=False)
    if not User.objects.filter(ours, pk=user.pk, deletion_requested_at__isnull=True).update(**changes):
        return False
    transaction.on_commit(partial(send_settle, user.pk))
    log.info("Account %s is suspended until %s", user.pk, until or "somebody ends it")
    return True


def unsuspend(user: User) -> bool:
    """End a suspension before its time. Says whether this call did."""
    return _end_suspension(User.objects.suspended().filter(pk=user.pk))


@transaction.atomic
def end_suspension_if_over(user: User, *, site: str = "") -> bool:
    """End a suspension whose time has come, and tell whoever keeps the history. Says whether this call did.

    `site` is the address at which the person reached it, where they did.
    """
    over = User.objects.suspended().filter(pk=user.pk, suspended_until__lte=timezone.now())
    if not _end_suspension(over):
        return False
    signals.suspension_over.send(sender=User, user=user, site=site)
    log.info("The suspension of account %s is over", user.pk)
    return True


def end_suspensions() -> int:
    """End every suspension whose time has come; the scheduler asks for it. Returns how many."""
    over = User.objects.suspended().filter(suspended_until__lte=timezone.now())
    return sum(end_suspension_if_over(user) for user in over)


def _end_suspension(users: QuerySet[User]) -> bool:
    """Who had switched the account off themselves meanwhile finds it so."""
    is_active = Case(When(deactivated_at=None, then=Value(True)), default=Value(False), output_field=BooleanField())
    fresh = {"suspended_at": None, "suspended_until": None, "suspension_reason": ""}
    return users.update(is_active=is_active, **fresh) == 1


@transaction.atomic
def request_deletion(user: User) -> bool:
    """Make an account inaccessible at once and for good, and have everything of it deleted in the background.

    Its names are free again for somebody else; what is left of it cannot be signed in to by any road.
    """
    changes = {
        "is_active": False,
        "is_staff": False,
        "is_superuser": False,
        "deletion_requested_at": timezone.now(),
        "session_epoch": F("session_epoch") + 1,
        "username": f"deleted-{uuid4().hex}",
        "email": "",
        "full_name": "",
    }
    if not User.objects.filter(pk=user.pk, deletion_requested_at__isnull=True).update(**changes):
        return False
    nobody = User()
    nobody.set_unusable_password()
    User.objects.filter(pk=user.pk).update(password=nobody.password)
    EmailAddress.objects.filter(user_id=user.pk).delete()
    Authenticator.objects.filter(user_id=user.pk).delete()
    transaction.on_commit(partial(send_settle, user.pk))
    log.info("Account %s is to be deleted", user.pk)
    return True


def end_sessions(user: User) -> None:
    """End every session of an account; the caller renews the one that asked for it."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])
    signals.sessions_ended.send(sender=User, user=user)


def switch_off(user: User) -> None:
    """What follows when an operator has switched an account off: its sessions end, and what runs for it."""
    end_sessions(user)
    personal_data.stop(user)


def send_settle(user_id: int) -> None:
    """Ask a worker to `settle` an account. If the broker is down, `settle_left_over` does it later."""
    publish.attempt(partial(publish.send_task, SETTLE_TASK, user_id), f"the message to settle account {user_id}")


def settle(user_id: int, seconds: float = SETTLE_SECONDS) -> bool:
    """See through what follows from leaving: stop what runs and, where it was asked for, delete everything.

    May be interrupted anywhere and run any number of times. Returns False when `seconds` were not enough.
    """
    deadline = time.monotonic() + seconds
    user = User.objects.filter(pk=user_id, is_active=False).first()
    if user is None or not (user.is_deactivated or user.is_suspended or user.is_being_deleted):
        return True
    personal_data.stop(user)
    if not user.is_being_deleted:
        return True
    for _item in personal_data.erase(user):
        if time.monotonic() > deadline:
            return False
    user.delete()
    log.info("Account %s is deleted", user_id)
    return True


def settle_left_over(seconds: float = SETTLE_SECONDS) -> int:
    """See to what was interrupted, or whose message was lost, for so long. Returns how many accounts were seen to."""
    deadline = time.monotonic() + seconds
    since = timezone.now() - SETTLE_ANEW
    recent = User.objects.switched_off().filter(Q(deactivated_at__gt=since) | Q(suspended_at__gt=since))
    done = 0
    for user_id in [*recent.values_list("pk", flat=True), *User.objects.leaving().values_list("pk", flat=True)]:
        if time.monotonic() > deadline:
            break
        settle(user_id, max(0.0, deadline - time.monotonic()))
        done += 1
    return done


def export(user: User) -> Iterator[Entry]:
    """Everything that is held of a person, as the files of a zip."""
    yield json_file("profile.json", lambda: _profile(user))
    yield from personal_data.export(user)


def _profile(user: User) -> dict:
    """No secrets: what a stolen zip would give away must not open the account."""
    addresses = EmailAddress.objects.filter(user=user).order_by("pk")
    second_factors = Authenticator.objects.filter(user=user).order_by("pk")
    return {
        "user_name": user.username,
        "email": user.email,
        "email_addresses": [{"email": row.email, "confirmed": row.verified, "main": row.primary} for row in addresses],
        "full_name": user.full_name,
        "language": user.language,
        "theme": user.theme,
        "joined": user.date_joined,
        "last_sign_in": user.last_login,
        "two_factor": [
            {"type": row.type, "added": row.created_at, "last_used": row.last_used_at} for row in second_factors
        ],
    }

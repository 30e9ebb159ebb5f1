"""The life of an account: deactivated, reactivated, suspended, exported, deleted."""

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
from auravideo.core.zips import ZipEntry, json_file

logger = logging.getLogger(__name__)

SETTLE_TASK = "accounts.tasks.settle"
SETTLE_SECONDS = 20.0  # time limit of one task, so that clips in the same queue get their turn
SETTLE_ANEW = timedelta(days=1)  # how long the sweeper revisits an account that was switched off


@transaction.atomic
def deactivate(user: User) -> bool:
    """Deactivate an account: end sessions, cancel jobs, delete nothing. Returns whether this call did."""
    now = timezone.now()
    changes = {"is_active": False, "deactivated_at": now, "session_epoch": F("session_epoch") + 1}
    if not User.objects.filter(pk=user.pk, is_active=True).update(**changes):
        return False
    transaction.on_commit(partial(send_settle, user.pk))
    logger.info("Account %s was deactivated", user.pk)
    return True


def reactivate(user: User) -> bool:
    """Reactivate a deactivated account. Returns whether this call did."""
    if not User.objects.deactivated().filter(pk=user.pk).update(is_active=True, deactivated_at=None):
        return False
    logger.info("Account %s was reactivated", user.pk)
    return True


@transaction.atomic
def suspend(user: User, until: datetime | None, reason: str) -> bool:
    """Suspend an account for moderation: like a deactivation, but the user cannot undo it.

    `until` None means indefinitely. A new suspension replaces the current one. Returns whether the account is suspended
    now: False if it is being deleted, or was disabled by an operator, who alone can enable it.
    """
    changes: dict[str, Any] = {"suspended_until": until, "suspension_reason": reason, "is_active": False}
    changes |= {"suspended_at": timezone.now(), "session_epoch": F("session_epoch") + 1}
    ours = Q(is_active=True) | Q(deactivated_at__isnull=False) | Q(suspended_at__isnull=False)
    if not User.objects.filter(ours, pk=user.pk, deletion_requested_at__isnull=True).update(**changes):
        return False
    transaction.on_commit(partial(send_settle, user.pk))
    logger.info("Account %s is suspended until %s", user.pk, until or "somebody ends it")
    return True


def unsuspend(user: User) -> bool:
    """End a suspension early. Returns whether this call did."""
    return _end_suspension(User.objects.suspended().filter(pk=user.pk))


@transaction.atomic
def end_suspension_if_over(user: User, *, site: str = "") -> bool:
    """End a suspension that has expired, and signal it. Returns whether this call did.

    `site` is the base URL the user signed in at, if they triggered this.
    """
    over = User.objects.suspended().filter(pk=user.pk, suspended_until__lte=timezone.now())
    if not _end_suspension(over):
        return False
    signals.suspension_over.send(sender=User, user=user, site=site)
    logger.info("The suspension of account %s has expired", user.pk)
    return True


def end_suspensions() -> int:
    """End all expired suspensions; called by the scheduler. Returns how many."""
    over = User.objects.suspended().filter(suspended_until__lte=timezone.now())
    return sum(end_suspension_if_over(user) for user in over)


def _end_suspension(users: QuerySet[User]) -> bool:
    """End the suspension. Keep the account inactive if its owner also deactivated it."""
    is_active = Case(When(deactivated_at=None, then=Value(True)), default=Value(False), output_field=BooleanField())
    fresh = {"suspended_at": None, "suspended_until": None, "suspension_reason": ""}
    return users.update(is_active=is_active, **fresh) == 1


@transaction.atomic
def request_deletion(user: User) -> bool:
    """Close an account immediately and irrevocably, and delete its data in the background.

    The username and email address become available again; nobody can sign in to the remains. Returns whether
    this call did.
    """
    changes = {
        "is_active": False,
        "is_staff": False,
        "is_superuser": False,
        "deletion_requested_at": timezone.now(),
        "session_epoch": F("session_epoch") + 1,
        "username": f"deleted-{uuid4().hex}",
        "name_skeleton": None,
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
    logger.info("Account %s is scheduled for deletion", user.pk)
    return True


def end_sessions(user: User, *, but: str | None = None) -> None:
    """End every session of an account; the caller renews the one that asked for it, `but` by its key."""
    User.objects.filter(pk=user.pk).update(session_epoch=F("session_epoch") + 1)
    user.refresh_from_db(fields=["session_epoch"])
    signals.sessions_ended.send(sender=User, user=user, but=but)


def switch_off(user: User) -> None:
    """Finish disabling an account in the admin: end its sessions and stop its jobs."""
    end_sessions(user)
    personal_data.stop(user)


def send_settle(user_id: int) -> None:
    """Ask a worker to `settle` an account. If the broker is down, `settle_left_over` does it later."""
    publish.attempt(partial(publish.send_task, SETTLE_TASK, user_id), f"the message to settle account {user_id}")


def settle(user_id: int, seconds: float = SETTLE_SECONDS) -> bool:
    """Finish closing an account: stop its jobs and, if deletion was requested, delete everything.

    Safe to interrupt and to rerun. Returns False if `seconds` were not enough.
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
    logger.info("Account %s was deleted", user_id)
    return True


def settle_left_over(seconds: float = SETTLE_SECONDS) -> int:
    """Settle accounts whose task was interrupted or lost, for up to `seconds`. Returns how many were attempted."""
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


def export(user: User) -> Iterator[ZipEntry]:
    """Yield all personal data of a user, as the entries of a zip."""
    yield json_file("profile.json", lambda: _profile(user))
    yield from personal_data.export(user)


def _profile(user: User) -> dict:
    """Return the profile without secrets: a stolen export must not give access to the account."""
    addresses = EmailAddress.objects.filter(user=user).order_by("pk")
    second_factors = Authenticator.objects.filter(user=user).order_by("pk")
    return {
        "user_name": user.username,
        "email": EmailAddress.objects.get_primary_email(user),
        "email_addresses": [{"email": row.email, "confirmed": row.verified, "main": row.primary} for row in addresses],
        "full_name": user.full_name,
        "language": user.language,
        "theme": user.theme,
        "joined": user.date_joined,
        "by_invitation": user.invitation_id is not None,
        "last_sign_in": user.last_login,
        "two_factor": [
            {"type": row.type, "added": row.created_at, "last_used": row.last_used_at} for row in second_factors
        ],
    }

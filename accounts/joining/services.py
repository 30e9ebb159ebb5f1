"""Signing up as the site's rules allow it, and what becomes of newcomers who wait for approval."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from ipaddress import ip_address

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone, translation

from accounts import services, signals
from accounts.joining import invitations
from accounts.joining.models import Invitation, JoiningRules, Policy
from accounts.models import User
from accounts.sign_in import attempts, mails
from accounts.sign_in.attempts import Attempt, Bucket
from auravideo.core import clock

logger = logging.getLogger(__name__)

DAY = 24 * 3600
FEWEST_OF_NETWORK = 5  # who may wait, whatever the limit of all
# What may be full: names of buckets, before a bar.
TODAY, TODAY_HERE, WAITING_HERE = "newcomers", "newcomers of a network", "newcomers who wait"


class NotAdmitted(Exception):
    """The visitor may not sign up, or no longer: an invitation was used up by somebody faster."""


@dataclass(frozen=True)
class Admission:
    """On what grounds somebody may sign up."""

    invitation: Invitation | None = None
    waits: bool = False  # until a moderator agrees


def admission_of(request: HttpRequest) -> Admission | None:
    """Return on what grounds a visitor may sign up; None if they may not."""
    policy = JoiningRules.current().effective
    if policy == Policy.CLOSED:
        return None
    if invitation := invitations.of(request):
        return Admission(invitation)
    return None if policy == Policy.INVITATION else Admission(waits=policy == Policy.APPROVAL)


def count_newcomer(network: str, *, waits: bool) -> Attempt:
    """Count somebody who signs up without an invitation. Raise redis.RedisError.

    One network address gets a share of a day, and of those who wait for approval, so that it alone cannot use them up.
    """
    rules = JoiningRules.current()
    buckets = [Bucket(TODAY, rules.daily_cap, DAY)]
    if not ip_address(network).is_loopback:  # nobody else, or everybody behind a proxy that is not trusted
        buckets.append(Bucket(f"{TODAY_HERE}|{network}", share_of_day(rules.daily_cap), DAY))
    if waits:
        most = max(FEWEST_OF_NETWORK, rules.most_waiting // 10)
        buckets.append(Bucket(f"{WAITING_HERE}|{network}", most, 7 * DAY))
    return attempts.take(buckets)


def share_of_day(cap: int) -> int:
    """Return how many of a day's newcomers one network address may be: a tenth, or more of a low cap, but not most."""
    return min(cap, max(1, cap // 10, min(FEWEST_OF_NETWORK, cap // 4)))


def is_full() -> bool:
    """Return whether so many newcomers wait for approval that nobody else may.

    Approximate: simultaneous sign-ups may exceed the limit by as many as there are, each of which counts for the day.
    """
    return User.objects.awaiting_approval().count() >= JoiningRules.current().most_waiting


def admit(request: HttpRequest, user: User) -> None:
    """Note on what grounds a new account may be saved. Raise NotAdmitted if there are none."""
    admission = admission_of(request)
    if admission is None:
        raise NotAdmitted
    user.invitation = admission.invitation
    if admission.waits:
        user.is_active, user.approval_awaited_since = False, timezone.now()
    if admission.waits or _must_confirm():
        user.newcomer_until = end_of_time()


def end_of_time() -> datetime:
    """Return when somebody who is new now has been new for too long."""
    return clock.now() + timedelta(days=settings.NEWCOMER_DAYS)


def _must_confirm() -> bool:
    return settings.ACCOUNT_EMAIL_VERIFICATION == "mandatory"


def use_invitation(user: User) -> None:
    """Count the use of a new account's invitation, in the transaction that saves it. Raise NotAdmitted to undo that."""
    if user.invitation is not None and not invitations.use(user.invitation):
        raise NotAdmitted


def announce(request: HttpRequest, user: User) -> None:
    """Follow up on a new account that was saved."""
    request.session.pop(invitations.SESSION_KEY, None)
    if user.is_awaiting_approval:
        site = request.build_absolute_uri("/")
        transaction.on_commit(partial(signals.newcomer_waits.send, sender=User, user=user, site=site), robust=True)


@transaction.atomic
def approve(user: User, site: str) -> bool:
    """Let a newcomer in, and tell them. Return whether this call did."""
    until = end_of_time() if _must_confirm() else None
    changes = {"is_active": True, "approval_awaited_since": None, "newcomer_until": until}
    if not User.objects.awaiting_approval().filter(pk=user.pk).update(**changes):
        return False
    transaction.on_commit(partial(_tell, mails.APPROVED, user, user.pk, site))
    logger.info("Account %s was approved", user.pk)
    return True


@transaction.atomic
def decline(user: User, site: str) -> bool:
    """Turn a newcomer away, tell them, and delete what they had entered. Return whether this call did."""
    return _turn_away(User.objects.awaiting_approval(), user, mails.DECLINED, site)


@transaction.atomic
def expire(user: User, site: str) -> bool:
    """Do the same to a newcomer about whom nobody has decided in time. Return whether this call did."""
    return _turn_away(User.objects.awaiting_approval().filter(_is_over()), user, mails.EXPIRED, site)


@transaction.atomic
def expire_unconfirmed(user: User) -> bool:
    """Delete the account of somebody who did not confirm the address in time. Return whether this call did.

    Nobody is told: nobody has proved to read what is sent there.
    """
    return _turn_away(User.objects.unconfirmed().filter(_is_over()), user)


def over() -> tuple[QuerySet[User], QuerySet[User]]:
    """Return the newcomers whose time is over: those who wait for approval, and those who did not confirm."""
    unconfirmed = User.objects.unconfirmed() if _must_confirm() else User.objects.none()
    return User.objects.awaiting_approval().filter(_is_over()), unconfirmed.filter(_is_over())


def _is_over() -> Q:
    return Q(newcomer_until__lte=clock.now())


def _turn_away(users: QuerySet[User], user: User, kind: str = "", site: str = "") -> bool:
    """Delete an account that is among `users`, and tell its owner by an email of this kind."""
    if not users.select_for_update().filter(pk=user.pk).exists():
        return False
    email = user.email
    if not services.request_deletion(user):
        return False
    if email and kind:
        transaction.on_commit(partial(_tell, kind, user, email, site))
    return True


def _tell(kind: str, user: User, what: str | int, site: str) -> None:
    mails.queue(kind, what, site, user.language or translation.get_language() or "en")

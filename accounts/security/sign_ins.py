"""What is noted of each sign-in: in the log, as an event of the account, and in the list of sessions."""

from allauth.account.authentication import get_authentication_records
from django.http import HttpRequest

from accounts.models import User
from accounts.security import events, sessions
from accounts.security.events import Kind
from accounts.security.log import Outcome, write
from accounts.sign_in import devices


def is_new_device(request: HttpRequest, user: User) -> bool:
    """Return whether this browser has not signed in to the account. Its first sign-in of all is nothing to warn of."""
    return user.last_login is not None and devices.number_of(request, user) is None


def accepted(request: HttpRequest, user: User, *, is_new: bool) -> None:
    """Note that somebody is signed in now."""
    means = means_of(request, user)
    write(Outcome.ACCEPTED, request, means, user)
    sessions.begin(request)
    events.record(Kind.NEW_DEVICE if is_new else Kind.SIGN_IN, user, request, means)


def failed(request: HttpRequest, means: str, user: User | None) -> None:
    """Note a wrong password or code; `user` is None if what was typed means nobody: it may be a password."""
    write(Outcome.FAILED, request, means, user)
    events.record(Kind.FAILED, user, request, means)


def limited(request: HttpRequest, means: str, user: User | None, *, is_silent: bool = False) -> None:
    """Note an attempt that was refused unseen. In the log only: there may be any number of them.

    A refusal that has to look like a wrong password also takes as long: it is stored, too.
    """
    write(Outcome.LIMITED, request, means, user)
    if is_silent:
        events.record(Kind.FAILED, user, request, means)


def means_of(request: HttpRequest, user: User) -> str:
    """Return by what somebody signed in to this session, such as `password+totp`."""
    records = get_authentication_records(request, user)
    return "+".join(dict.fromkeys(record.get("type") or record["method"] for record in records)) or "link"

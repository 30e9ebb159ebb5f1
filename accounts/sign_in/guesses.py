"""How often a password or a code may be guessed.

Counted per account, whatever it was called by, per login that was typed, and per address; never by anything else that
the client chooses, such as the Host header. A browser that has signed in to the account before has a count of its own,
so that nobody can lock its owner out. Settings: GUESSES.
"""

from enum import StrEnum

from allauth.account.models import EmailAddress
from django.conf import settings
from django.http import HttpRequest

from accounts.models import User
from accounts.sign_in import attempts, devices, logins
from accounts.sign_in.attempts import Attempt, Bucket


class Kind(StrEnum):
    """What is guessed. Each has its own counts: who is asked for a code has got the password right."""

    PASSWORD = "password"  # noqa: S105  the name of a kind
    CODE = "code"


class Verdict(StrEnum):
    OPEN = "open"
    REFUSED = "refused"
    # Refused because of guesses under another name of the account. Who hears of it learns that the names belong
    # together, so this has to read like a wrong password.
    REFUSED_SILENTLY = "refused-silently"


def of_login(request: HttpRequest, network: str, login: str) -> tuple[Verdict, Attempt]:
    """Count an attempt to sign in with a password; `network` is where it comes from."""
    user = logins.find(login)
    if user is not None and (bucket := _own(request, Kind.PASSWORD, user)):
        return _judged(attempts.take([bucket]))
    typed = _bucket("account", Kind.PASSWORD, "typed", logins.normalized(login))
    account = _account(Kind.PASSWORD, user) if user is not None else typed
    return _judged(attempts.take([_network(network), typed, account]), silent=account if account != typed else None)


def of_user(request: HttpRequest, network: str, kind: Kind, user: User) -> tuple[Verdict, Attempt]:
    """Count an attempt of somebody who has named the account already: to confirm the password, or to enter a code."""
    own = _own(request, kind, user)
    return _judged(attempts.take([own] if own else [_network(network), _account(kind, user)]))


def forget(user: User) -> None:
    """Start over for an account whose password was reset; the addresses stay counted."""
    addresses = EmailAddress.objects.filter(user=user).values_list("email", flat=True)
    names = [user.username, *addresses, *filter(None, [user.email])]
    typed = [_bucket("account", Kind.PASSWORD, "typed", logins.normalized(name)) for name in names]
    attempts.clear([*typed, *(_account(kind, user) for kind in Kind)])


def _judged(attempt: Attempt, silent: Bucket | None = None) -> tuple[Verdict, Attempt]:
    if attempt.full is None:
        return Verdict.OPEN, attempt
    return (Verdict.REFUSED_SILENTLY if attempt.full == silent else Verdict.REFUSED), attempt


def _own(request: HttpRequest, kind: Kind, user: User) -> Bucket | None:
    """Return the bucket of a browser that is, or was, signed in to the account."""
    if getattr(request, "user", None) == user:
        return _bucket("device", kind, f"session {request.session.session_key}")
    number = devices.number_of(request, user)
    return _bucket("device", kind, number) if number else None


def _network(network: str) -> Bucket:
    return _bucket("address", network)


def _account(kind: Kind, user: User) -> Bucket:
    return _bucket("account", kind, str(user.pk))


def _bucket(rule: str, *name: str) -> Bucket:
    return Bucket("|".join((rule, *name)), *settings.GUESSES[rule])

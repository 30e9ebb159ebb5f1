"""Whose account is meant by what was typed to sign in."""

import unicodedata

from allauth.account.models import EmailAddress

from accounts.models import User

MAX_LENGTH = 254  # characters, of email addresses; usernames are shorter


def normalized(login: str) -> str:
    """Return the form of a typed login in which spellings of the same login are equal."""
    return _compatible(login.strip()).casefold()


def candidates(login: str) -> list[User | None]:
    """Return the accounts that a login may mean: of a username one, of an email address two, None where there is none.

    The number depends on what was typed only, because each costs the hash of a password: otherwise the time of a failed
    sign-in would tell which addresses are registered. Whoever comes first has the better claim to the address.
    """
    if "@" not in login:
        return [_named(login)]
    holder, claimant = holder_of(login), _claimant(login)
    return [holder, claimant if claimant != holder else None]


def find(login: str) -> User | None:
    """Return the account whose failed sign-ins are counted under `login`."""
    return next((user for user in candidates(login) if user is not None), None)


def holder_of(email: str) -> User | None:
    """Return who has the best claim to an address: who has confirmed it, else whose main address it is."""
    email = email.strip().lower()
    row = EmailAddress.objects.filter(email=email, verified=True).select_related("user").first()
    # Both are asked for in either case, which costs registered and unknown addresses the same.
    main = User.objects.filter(email=email).first() if email else None
    return row.user if row else main


def _claimant(email: str) -> User | None:
    """Return the latest account with an address that it has not confirmed."""
    rows = EmailAddress.objects.filter(email=email.strip().lower(), verified=False)
    row = rows.select_related("user").order_by("-pk").first()
    return row.user if row else None


def _named(username: str) -> User | None:
    exact = User.objects.filter(username=username).first()
    return exact or User.objects.named(_compatible(username)).first()


def _compatible(text: str) -> str:
    """Return the form NFKC of at most MAX_LENGTH characters: sorting the accents of a letter takes quadratic time."""
    return unicodedata.normalize("NFKC", text[:MAX_LENGTH])

"""Second factors are encrypted: a copy of the database alone lets nobody compute a code.

The key is derived from SECRET_KEY, which every machine of a site shares already. SECRET_KEY_FALLBACKS has former
ones: what they encrypted can be read, and is encrypted with the present one at the next start.
"""

import base64
import logging
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext_lazy

logger = logging.getLogger(__name__)

_MARK = "fernet:"  # what has no mark is in the clear, as earlier versions stored it
_TYPES = (Authenticator.Type.TOTP, Authenticator.Type.RECOVERY_CODES)
_FIELDS = ("secret", "seed", "migrated_codes")  # of allauth's JSON, where secrets are
UNREADABLE = gettext_lazy(
    "Your second factor can no longer be checked, because the secret key of this site was changed. Ask the people who "
    "run this site to restore the key or to remove your second factor."
)
FIX = (
    "Put the former key into SECRET_KEY_FALLBACKS and start the site again. If it is lost, delete these second factors "
    "in the admin; their owners then sign in without."
)


class Unreadable(PermissionDenied):
    """A second factor was encrypted with a key that the site no longer has. Pages answer 403 with the reason."""

    def __init__(self) -> None:
        super().__init__(UNREADABLE)


def encrypt(text: str) -> str:
    """Return a secret as it is stored."""
    return _MARK + _keys()[0].encrypt(text.encode()).decode()


def decrypt(stored: str) -> str:
    """Return a stored secret. Raises Unreadable if no key fits."""
    if not stored.startswith(_MARK):
        return stored
    try:
        return MultiFernet(_keys()).decrypt(stored.removeprefix(_MARK).encode()).decode()
    except InvalidToken:
        logger.error("A second factor cannot be read with SECRET_KEY. %s", FIX)
        raise Unreadable from None


def protect() -> int:
    """Encrypt what is stored in the clear or under a former key. Return how many second factors cannot be read."""
    unreadable = 0
    for pk in Authenticator.objects.filter(type__in=_TYPES).values_list("pk", flat=True):
        with transaction.atomic():
            found = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if found is None or all(_is_current(value) for value in _secrets(found)):
                continue
            try:
                found.data = _changed(found.data, lambda value: encrypt(decrypt(value)))
            except Unreadable:
                unreadable += 1
                continue
            found.save(update_fields=["data"])
    return unreadable


def count_unreadable() -> int:
    """Return how many second factors cannot be read with any key."""
    found = Authenticator.objects.filter(type__in=_TYPES)
    return sum(not all(_is_readable(value) for value in _secrets(one)) for one in found.iterator())


def _secrets(authenticator: Authenticator) -> Iterable[str]:
    for field in _FIELDS:
        value = authenticator.data.get(field, [])
        yield from [value] if isinstance(value, str) else value


def _changed(data: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    def changed(value: Any) -> Any:
        return change(value) if isinstance(value, str) else [change(one) for one in value]

    return {name: changed(value) if name in _FIELDS else value for name, value in data.items()}


def _is_current(stored: str) -> bool:
    return stored.startswith(_MARK) and _opens(_keys()[0], stored)


def _is_readable(stored: str) -> bool:
    return not stored.startswith(_MARK) or any(_opens(key, stored) for key in _keys())


def _opens(key: Fernet, stored: str) -> bool:
    try:
        key.decrypt(stored.removeprefix(_MARK).encode())
    except InvalidToken:
        return False
    return True


def _keys() -> list[Fernet]:
    return [_derived(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


@lru_cache(maxsize=8)
def _derived(secret: str) -> Fernet:
    derived = HKDF(hashes.SHA256(), 32, salt=None, info=b"auravideo second factors").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(derived))

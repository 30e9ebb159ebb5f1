"""An authenticator app for tests: RFC 6238 codes, implemented from the specification, not with allauth's code."""

import base64
import hmac
import secrets
import time

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import encrypt

from accounts.models import User

PERIOD = 30  # seconds
DIGITS = 6


def code(secret: str, at: float | None = None) -> str:
    """Return the code an app shows for this base32 `secret` at a time in seconds since 1970; by default, now."""
    counter = int(time.time() if at is None else at) // PERIOD
    digest = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    value = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{value % 10**DIGITS:0{DIGITS}}"


def give(user: User) -> str:
    """Give a user an authenticator app, as if it had been set up; return its secret."""
    secret = base64.b32encode(secrets.token_bytes(20)).decode()
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": encrypt(secret)})
    return secret

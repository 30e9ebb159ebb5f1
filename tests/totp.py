"""An authenticator app, for tests: the codes of RFC 6238, written from the specification and not with allauth's own."""

import base64
import hmac
import time

PERIOD = 30  # seconds
DIGITS = 6


def code(secret: str, at: float | None = None) -> str:
    """Return what an app with this base32 `secret` shows at a time, in seconds since 1970; now where none is given."""
    counter = int(time.time() if at is None else at) // PERIOD
    digest = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    value = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{value % 10**DIGITS:0{DIGITS}}"

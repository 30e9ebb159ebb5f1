"""An authenticator app for tests: RFC 6238 codes, written from the specification, independently of allauth."""

import base64
import hmac
import time

PERIOD = 30  # seconds
DIGITS = 6


def code(secret: str, at: float | None = None) -> str:
    """Return the code an app with this base32 `secret` shows at a time in seconds since 1970, now by default."""
    counter = int(time.time() if at is None else at) // PERIOD
    digest = hmac.digest(base64.b32decode(secret), counter.to_bytes(8, "big"), "sha1")
    start = digest[-1] & 0x0F
    value = int.from_bytes(digest[start : start + 4], "big") & 0x7FFF_FFFF
    return f"{value % 10**DIGITS:0{DIGITS}}"

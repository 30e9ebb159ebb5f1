"""The TLS certificate that visitors get."""

import ssl
import time
from functools import lru_cache
from urllib.parse import urlsplit

from cryptography import x509
from django.conf import settings

_SECONDS = 3
_FRESH_SECONDS = 3600


def public_origin() -> str:
    """Return the site's https:// origin as visitors see it, or "" if it has none."""
    known = [settings.SITE_URL, *settings.CSRF_TRUSTED_ORIGINS]
    origins = [origin for origin in known if origin.startswith("https://") and "*" not in origin]
    return origins[0] if settings.HTTPS and origins else ""


def expires_in(origin: str) -> float:
    """Return seconds until the certificate of an origin expires, negative if it has; looked up once an hour.

    Raises:
        OSError: the origin does not answer, or not in TLS.
    """
    return _end(origin, int(time.time() // _FRESH_SECONDS)) - time.time()


@lru_cache(maxsize=4)
def _end(origin: str, _tick: int) -> float:
    parts = urlsplit(origin)
    pem = ssl.get_server_certificate((parts.hostname or "", parts.port or 443), timeout=_SECONDS)
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc.timestamp()

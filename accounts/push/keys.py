"""The key pair by which push services recognise this site (VAPID, RFC 8292).

It is derived from SECRET_KEY, which every machine of a site shares already. With another SECRET_KEY, browsers subscribe
again when their user next opens a page (static/js/notifications.js).
"""

import base64
from functools import lru_cache

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SEC 2, 2.4.2)
_BYTES = 48  # 128 bits more than the order has, so that no key is likelier than another (FIPS 186-5, A.2.1)


def private_key() -> ec.EllipticCurvePrivateKey:
    """Return the site's private key."""
    return _derived(settings.SECRET_KEY)


def public_key() -> str:
    """Return the site's public key as browsers want it: an uncompressed point, base64url without padding."""
    form = serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    return base64.urlsafe_b64encode(private_key().public_key().public_bytes(*form)).rstrip(b"=").decode()


@lru_cache(maxsize=1)
def _derived(secret: str) -> ec.EllipticCurvePrivateKey:
    derived = HKDF(hashes.SHA256(), _BYTES, salt=None, info=b"auravideo web push").derive(secret.encode())
    return ec.derive_private_key(1 + int.from_bytes(derived, "big") % (_ORDER - 1), _CURVE)

"""Browser security headers. Pure functions, called from settings.py."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from csp.constants import NONE, SELF


def storage_origins(endpoint: str, bucket: str, region: str, addressing: str = "path") -> list[str]:
    """Return the origins of signed storage URLs; none if the site serves its own files.

    `addressing`: where the bucket's name is in them, `path` or `virtual` (in the host name).
    """
    if not bucket:
        return []
    own = f"{bucket}." if addressing == "virtual" else ""
    if endpoint:
        parts = urlsplit(endpoint)
        return [f"{parts.scheme}://{own}{parts.netloc}"]
    return [f"https://{own}s3.amazonaws.com", f"https://{own}s3.{region}.amazonaws.com"]


def content_security_policy(storage: list[str]) -> Mapping[str, object]:
    """Return django-csp's CONTENT_SECURITY_POLICY: same origin only, nothing inline, no eval.

    Images and videos may also come from `storage`. 'self' covers the page's WebSocket (CSP level 3). A page that needs
    more overrides it with csp.decorators.csp_update.
    """
    return {
        "DIRECTIVES": {
            "default-src": [NONE],
            "script-src": [SELF],
            "style-src": [SELF],
            "img-src": [SELF, *storage],
            "media-src": [SELF, *storage],
            "font-src": [SELF],
            "connect-src": [SELF],
            "manifest-src": [SELF],
            "worker-src": [SELF],
            "object-src": [NONE],
            "base-uri": [NONE],
            "form-action": [SELF],
            "frame-ancestors": [NONE],
        }
    }


# Features that none of our pages use. Unlisted ones (autoplay, full screen, passkeys) keep the browser's default, which
# is same origin.
PERMISSIONS_POLICY: Mapping[str, list[str]] = {
    feature: []
    for feature in (
        "accelerometer",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "idle-detection",
        "local-fonts",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
}

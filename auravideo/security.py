"""The headers that tell a browser what a page of ours may do. Pure: settings.py calls it."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from csp.constants import NONE, SELF


def storage_origins(endpoint: str, bucket: str, region: str) -> list[str]:
    """The origins that signed addresses of stored files point at; none where the site sends the files itself."""
    if not bucket:
        return []
    if endpoint:
        parts = urlsplit(endpoint)
        return [f"{parts.scheme}://{parts.netloc}"]
    return ["https://s3.amazonaws.com", f"https://s3.{region}.amazonaws.com"]


def content_security_policy(storage: list[str]) -> Mapping[str, object]:
    """django-csp's CONTENT_SECURITY_POLICY: everything from this site alone, nothing inline, nothing evaluated.

    Videos and pictures may also come from `storage`. 'self' covers the page's WebSocket, too (CSP level 3). A page that
    needs more says so for itself, with csp.decorators.csp_update.
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


# What no page of ours has a use for; what is not named (playing, full screen, passkeys) keeps the browser's default,
# which is this site alone.
PERMISSIONS_POLICY: Mapping[str, list[str]] = {
    feature: []
    for feature in (
        "accelerometer",
        "bluetooth",
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

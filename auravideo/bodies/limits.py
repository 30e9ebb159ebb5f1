"""The longest body of each address. A view that takes more than a form declares it: `core.uploads.bounded_upload`."""

from django.urls import Resolver404, resolve

from auravideo.core.uploads import MAX_BODY

ANYTHING = 64 * 2**10  # bytes; what no view expects: probes, metrics, static files, unknown addresses
FORM = 256 * 2**10  # the create form with its longest prompts has 30 KiB, a page of the library with all selected 10
ADMIN = 2**20  # its lists are long
NONE = ("/healthz", "/metrics", "/static/", "/favicon.ico")


def limit_of(path: str, *, opens_websocket: bool = False) -> int:
    """Return how many bytes the body of a request to `path` (without its query) may have."""
    if opens_websocket:
        return 0
    if path.startswith(NONE):
        return ANYTHING
    try:
        found = resolve(path)
    except Resolver404:
        return ANYTHING
    return getattr(found.func, MAX_BODY, ADMIN if "admin" in found.namespaces else FORM)

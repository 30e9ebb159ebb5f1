"""Where a form leads back to."""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

MAX_ADDRESS = 2000


def next_page(request: HttpRequest, otherwise: str) -> str:
    """Return the path on this site that a form names as `next`; `otherwise` where it names none, or leads elsewhere."""
    path = request.POST.get("next", "")
    is_ours = path.startswith("/") and url_has_allowed_host_and_scheme(
        path, {request.get_host()}, require_https=request.is_secure()
    )
    return path if is_ours and len(path) <= MAX_ADDRESS else otherwise

"""Where to go after a form."""

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

MAX_ADDRESS = 2000


def next_page(request: HttpRequest, otherwise: str) -> str:
    """Return the local path in the form's `next` field, or `otherwise` if it is missing or leads off-site."""
    path = request.POST.get("next", "")
    is_ours = path.startswith("/") and url_has_allowed_host_and_scheme(
        path, {request.get_host()}, require_https=request.is_secure()
    )
    return path if is_ours and len(path) <= MAX_ADDRESS else otherwise

"""Context processor of the jobs panel."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from generation.jobs.activity import panel_of


def jobs_panel(request: HttpRequest) -> dict[str, object]:
    """Return `jobs_panel` (generation/jobs/activity.py), lazily: no query runs until a template uses it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {"jobs_panel": SimpleLazyObject(lambda: panel_of(user))}

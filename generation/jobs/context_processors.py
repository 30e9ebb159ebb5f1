"""What every page shows of jobs."""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from generation.jobs.activity import panel_of


def jobs_panel(request: HttpRequest) -> dict[str, object]:
    """`jobs_panel`: see generation/jobs/activity.py. Nothing is asked of the database before a template shows it."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {}
    return {"jobs_panel": SimpleLazyObject(lambda: panel_of(user))}

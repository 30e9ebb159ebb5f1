"""What every page shows of jobs."""

from django.http import HttpRequest

from generation.selectors import active_jobs_of


def active_jobs(request: HttpRequest) -> dict[str, int]:
    """`active_jobs`: how many of the person's jobs are waiting or rendering."""
    user = getattr(request, "user", None)
    return {"active_jobs": active_jobs_of(user).count() if user is not None and user.is_authenticated else 0}

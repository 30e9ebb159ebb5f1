"""A job as the pages and the WebSocket show it: one partial, the same context."""

from django.template.loader import render_to_string

from generation.models import Job
from generation.selectors import progress_of

PARTIAL = "generation/partials/job.html"


def job_context(job: Job) -> dict:
    """What the job's partial needs."""
    return {"job": job, "progress": progress_of(job), "video": getattr(job, "video", None)}


def job_fragment(job: Job) -> str:
    """The job's partial as an out-of-band swap."""
    return render_to_string(PARTIAL, {**job_context(job), "oob": True})

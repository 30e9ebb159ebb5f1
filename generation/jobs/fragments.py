"""A job as the pages and the WebSocket show it: the same partials, the same context."""

from collections.abc import Sequence
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string

from generation.jobs.activity import FILTERS, Counts, Panel, active_row, ended_row
from generation.jobs.selectors import progress_of, video_of
from generation.models import Job

PARTIAL = "generation/partials/job.html"


def job_context(job: Job) -> dict:
    """What the job's partial needs."""
    return {"job": job, "progress": progress_of(job), "video": video_of(job)}


def job_fragment(job: Job, request: HttpRequest | None = None, notes: Sequence[str] = ()) -> str:
    """The job's partial, to be merged into the one on the page. `notes` are sentences to be read beside it."""
    return render_to_string(PARTIAL, {**job_context(job), "notes": notes}, request)


def row_fragment(job: Job) -> str:
    """The job's row in the panel."""
    row = active_row(job) if job.is_active else ended_row(job)
    return render_to_string("generation/partials/active_row.html", {"row": row})


def panel_fragment(panel: Panel) -> str:
    """The whole panel, and the numbers beside the filters of the list."""
    return render_to_string("generation/partials/active_panel.html", {"panel": panel}) + counts_fragment(panel.counts)


def counts_fragment(counts: Counts) -> str:
    return render_to_string("generation/partials/counts.html", {"filters": filters_of(counts)})


def filters_of(counts: Counts) -> list[tuple[str, int]]:
    """The names of the list's filters, with how many jobs each shows."""
    return [(name, counts.of(name)) for name in FILTERS]


def gone_fragment(job_id: UUID) -> str:
    """Takes a job off the page."""
    return f'<article id="job-{job_id}" class="job" data-gone></article>'

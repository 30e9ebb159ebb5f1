"""Job fragments shared by the pages and the WebSocket: the same partials, the same context."""

from collections.abc import Sequence
from uuid import UUID

from django.http import HttpRequest
from django.template.loader import render_to_string

from generation.jobs.activity import FILTERS, Counts, Panel, active_row, ended_row
from generation.jobs.cures import cure_of
from generation.jobs.selectors import Progress, progress_of, video_of
from generation.models import Job

PARTIAL = "generation/partials/job.html"


def job_context(job: Job, progress: Progress | None = None) -> dict:
    """Return the context of the job partial."""
    return {"job": job, "progress": progress or progress_of(job), "video": video_of(job), "cure": cure_of(job)}


def job_fragment(
    job: Job, request: HttpRequest | None = None, notes: Sequence[str] = (), progress: Progress | None = None
) -> str:
    """Render the job partial, to be merged into the page's. `notes` are sentences shown with it."""
    return render_to_string(PARTIAL, {**job_context(job, progress), "notes": notes}, request)


def recent_fragment(job: Job) -> str:
    """Render the job as a compact row of what has ended."""
    return render_to_string(
        "generation/partials/recent.html", {"job": job, "video": video_of(job), "cure": cure_of(job)}
    )


def row_fragment(job: Job, progress: Progress | None = None) -> str:
    """Render the job's row in the panel."""
    row = active_row(job, progress) if job.is_active else ended_row(job)
    return render_to_string("generation/partials/active_row.html", {"row": row})


def panel_fragment(panel: Panel) -> str:
    """Render the whole panel, and the counts beside the list's filters."""
    return render_to_string("generation/partials/active_panel.html", {"panel": panel}) + counts_fragment(panel.counts)


def counts_fragment(counts: Counts) -> str:
    return render_to_string("generation/partials/counts.html", {"filters": filters_of(counts)})


def filters_of(counts: Counts) -> list[tuple[str, int]]:
    """Return (name, number of jobs) for each filter of the list."""
    return [(name, counts.of(name)) for name in FILTERS]


def gone_fragment(job_id: UUID) -> str:
    """Render an empty article that removes the job from the page."""
    return f'<article id="job-{job_id}" class="job" data-gone></article>'

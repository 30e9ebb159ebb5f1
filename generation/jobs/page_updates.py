"""State of one open page's jobs, and the HTML that updates it."""

from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings
from django.utils import translation

from accounts.models import User
from generation.domain.states import RunStatus, Status
from generation.jobs.activity import panel_of
from generation.jobs.fragments import gone_fragment, job_fragment, panel_fragment, row_fragment
from generation.jobs.selectors import jobs_of, listed_jobs_of, place_all
from generation.models import Job

MAX_SHOWN = 100


class View:
    """The jobs that one page shows, and the versions last sent to it.

    Args:
        query: the socket's query string: `jobs`, comma-separated IDs of the jobs whose articles the page shows;
            `language`, the page's language code.
    """

    def __init__(self, user: User, query: bytes) -> None:
        asked = _read(query)
        self.user = user
        self.shown = _uuids(asked.get("jobs", ""))
        self.language = _language(asked.get("language", ""))
        self.versions: dict[UUID, int] = {}
        self.rows: set[UUID] = set()
        self.waiting: set[UUID] = set()

    def present(self) -> str:
        """Return the HTML of everything that the page shows."""
        with translation.override(self.language):
            found = self._find(self.shown)
            return self._articles(found) + self._taken_off_the_list(found) + self._panel()

    def changes(self, job_ids: set[UUID]) -> str:
        """Return the HTML for changed jobs: articles and rows if only progress changed, else the whole panel too."""
        with translation.override(self.language):
            # In a flood of changes, read only the jobs on the page; the panel is then rendered in full.
            found = self._find(job_ids if len(job_ids) <= MAX_SHOWN else job_ids & (self.shown | self.rows))
            if len(found) == len(job_ids) and all(self.versions.get(job.pk) == job.version for job in found):
                return self._articles(found) + self._rows(found)
            gone = (job_ids & self.shown) - {job.pk for job in found}
            behind = self._find((self.waiting & self.shown) - job_ids)  # waiting jobs may have moved up
            return self._articles(found + behind) + "".join(map(gone_fragment, sorted(gone))) + self._panel()

    def _find(self, job_ids: set[UUID]) -> list[Job]:
        return place_all(listed_jobs_of(self.user).filter(pk__in=job_ids)) if job_ids else []

    def _taken_off_the_list(self, found: list[Job]) -> str:
        """Return what removes the user's jobs that left the list while nobody told this page."""
        missing = self.shown - {job.pk for job in found}
        gone = jobs_of(self.user).filter(pk__in=missing).values_list("pk", flat=True) if missing else []
        return "".join(map(gone_fragment, gone))

    def _articles(self, jobs: list[Job]) -> str:
        for job in jobs:
            self._remember(job)
        return "".join(job_fragment(job) for job in jobs if job.pk in self.shown)

    def _rows(self, jobs: list[Job]) -> str:
        return "".join(row_fragment(job) for job in jobs if job.pk in self.rows)

    def _panel(self) -> str:
        panel = panel_of(self.user)
        self.rows = {row.job.pk for row in panel.rows}
        for row in panel.rows:
            self._remember(row.job)
        return panel_fragment(panel)

    def _remember(self, job: Job) -> None:
        self.versions[job.pk] = job.version
        if _waits(job) and (job.pk in self.shown or job.pk in self.rows):
            self.waiting.add(job.pk)
        else:
            self.waiting.discard(job.pk)


def _waits(job: Job) -> bool:
    """Return whether nobody works on a job, so that no event would say what has become of it."""
    if job.status != Status.RUNNING:
        return job.status == Status.QUEUED
    return all(run.status != RunStatus.RUNNING for run in job.stage_runs.all())


def _read(query: bytes) -> dict[str, str]:
    """Return the fields of a query string; empty if there are more than 8."""
    try:
        return {
            name: values[0] for name, values in parse_qs(query.decode("ascii", "replace"), max_num_fields=8).items()
        }
    except ValueError:
        return {}


def _uuids(text: str) -> set[UUID]:
    """Return the UUIDs in a comma-separated list, at most `MAX_SHOWN`; invalid ones are skipped."""
    found = set()
    for word in text.split(",", MAX_SHOWN)[:MAX_SHOWN]:
        try:
            found.add(UUID(word))
        except ValueError:
            continue
    return found


def _language(code: str) -> str:
    """Return the supported language closest to `code`, or the site's default."""
    try:
        return translation.get_supported_language_variant(code)
    except LookupError:
        return settings.LANGUAGE_CODE

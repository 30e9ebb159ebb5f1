"""What one open page shows of a person's jobs, and the HTML that brings it up to date."""

from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings
from django.utils import translation

from accounts.models import User
from generation.domain.states import Status
from generation.jobs.activity import panel_of
from generation.jobs.fragments import gone_fragment, job_fragment, panel_fragment, row_fragment
from generation.jobs.selectors import listed_jobs_of
from generation.models import Job

MAX_SHOWN = 100


class View:
    """What one page shows, and what it was told last.

    Args:
        query: of its socket's address: `jobs`, the identifiers of the jobs whose articles it shows, separated by
            commas; `language`, that of the page.
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
        """Everything that the page shows."""
        with translation.override(self.language):
            return self._articles(self._find(self.shown)) + self._panel()

    def changes(self, job_ids: set[UUID]) -> str:
        """What the page shows of these jobs: their progress alone, or the panel too where anything else changed."""
        with translation.override(self.language):
            # Of a flood, the jobs that the page shows; the panel is made anew in any case.
            found = self._find(job_ids if len(job_ids) <= MAX_SHOWN else job_ids & (self.shown | self.rows))
            if len(found) == len(job_ids) and all(self.versions.get(job.pk) == job.version for job in found):
                return self._articles(found) + self._rows(found)
            gone = (job_ids & self.shown) - {job.pk for job in found}
            behind = self._find((self.waiting & self.shown) - job_ids)  # whoever waits may have moved up
            return self._articles(found + behind) + "".join(map(gone_fragment, sorted(gone))) + self._panel()

    def _find(self, job_ids: set[UUID]) -> list[Job]:
        return list(listed_jobs_of(self.user).filter(pk__in=job_ids)) if job_ids else []

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
        if job.status == Status.QUEUED and (job.pk in self.shown or job.pk in self.rows):
            self.waiting.add(job.pk)
        else:
            self.waiting.discard(job.pk)


def _read(query: bytes) -> dict[str, str]:
    """The fields of an address's query; nothing where there are absurdly many."""
    try:
        return {
            name: values[0] for name, values in parse_qs(query.decode("ascii", "replace"), max_num_fields=8).items()
        }
    except ValueError:
        return {}


def _uuids(text: str) -> set[UUID]:
    """The identifiers in a comma-separated list, at most `MAX_SHOWN`; what is none is left out."""
    found = set()
    for word in text.split(",", MAX_SHOWN)[:MAX_SHOWN]:
        try:
            found.add(UUID(word))
        except ValueError:
            continue
    return found


def _language(code: str) -> str:
    """The language of the page, as far as the site speaks it."""
    try:
        return translation.get_supported_language_variant(code)
    except LookupError:
        return settings.LANGUAGE_CODE

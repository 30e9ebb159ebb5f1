"""State of one open page's jobs, and the HTML that updates it."""

from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings
from django.utils import translation

from accounts.models import User
from generation.domain.states import RunStatus, Status
from generation.jobs.activity import Counts
from generation.jobs.fragments import gone_fragment
from generation.jobs.selectors import Progress
from generation.jobs.snapshot import Snapshot
from generation.models import Job

MAX_SHOWN = 100


class View:
    """The jobs that one page shows, and the versions last sent to it.

    Args:
        query: the socket's query string: `jobs`, comma-separated IDs of the jobs whose articles the page shows;
            `recent`, those that are compact rows unless they are active again; `language`, the page's language code.
    """

    def __init__(self, user: User, query: bytes) -> None:
        asked = _read(query)
        self.user = user
        self.shown = _uuids(asked.get("jobs", ""))
        self.recent = _uuids(asked.get("recent", ""))
        self.language = _language(asked.get("language", ""))
        self.versions: dict[UUID, int] = {}
        self.rows: set[UUID] = set()
        self.waiting: set[UUID] = set()  # jobs on the page whose places move with other users' jobs
        self.active: set[UUID] = set()
        self.progress: dict[UUID, Progress] = {}  # as last sent, of active jobs
        self.counts: Counts | None = None

    def present(self, snapshot: Snapshot | None = None) -> str:
        """Return the HTML of everything that the page shows."""
        snapshot = snapshot or Snapshot(self.user)
        with translation.override(self.language):
            found = snapshot.find(self.shown)
            missing = self.shown - {job.pk for job in found}
            gone = snapshot.owned(missing)  # left the list while nobody told this page
            return self._articles(found, snapshot) + "".join(map(gone_fragment, gone)) + self._panel(snapshot)

    def changes(self, job_ids: set[UUID], snapshot: Snapshot | None = None) -> str:
        """Return the HTML for changed jobs: articles and rows if only progress changed, else the whole panel too."""
        snapshot = snapshot or Snapshot(self.user)
        with translation.override(self.language):
            found = snapshot.find(self.wanted(job_ids))
            if len(found) == len(job_ids) and all(self.versions.get(job.pk) == job.version for job in found):
                return self._articles(found, snapshot) + self._rows(found, snapshot)
            return self._everything(job_ids, found, snapshot)

    def wanted(self, job_ids: set[UUID]) -> set[UUID]:
        """Return those of some changed jobs that have to be read: in a flood, only the ones on the page."""
        return job_ids if len(job_ids) <= MAX_SHOWN else job_ids & (self.shown | self.rows)

    def refresh(self, snapshot: Snapshot) -> str:
        """Return the HTML for what has changed without an event, or with one that was lost; "" if nothing has."""
        now = snapshot.versions(self.versions)
        missed = {job_id for job_id, version in self.versions.items() if now.get(job_id) != version}
        with translation.override(self.language):
            if not missed and snapshot.counts == self.counts:
                moved = [
                    job for job in snapshot.find(self.moving()) if snapshot.progress(job) != self.progress.get(job.pk)
                ]
                return self._articles(moved, snapshot) + self._rows(moved, snapshot)
            return self._everything(missed, snapshot.find(self.wanted(missed) | self.moving()), snapshot)

    def moving(self) -> set[UUID]:
        """Return the jobs on the page that have not ended."""
        return self.active & (self.shown | self.rows)

    def _everything(self, job_ids: set[UUID], found: list[Job], snapshot: Snapshot) -> str:
        """Return the HTML for jobs whose state changed, for those that may have moved up, and for the panel."""
        listed = {job.pk for job in found}
        behind = snapshot.find((self.waiting & self.shown) - job_ids - listed)
        gone = (job_ids & self.shown) - listed
        for job_id in job_ids - listed:
            self._forget(job_id)
        articles = self._articles(found + behind, snapshot)
        return articles + "".join(map(gone_fragment, sorted(gone))) + self._panel(snapshot)

    def _articles(self, jobs: list[Job], snapshot: Snapshot) -> str:
        for job in jobs:
            self._remember(job)
            if job.is_active:
                self.progress[job.pk] = snapshot.progress(job)
        return "".join(self._article(job, snapshot) for job in jobs if job.pk in self.shown)

    def _article(self, job: Job, snapshot: Snapshot) -> str:
        is_row = job.pk in self.recent and not job.is_active
        return snapshot.recent_html(job) if is_row else snapshot.article_html(job)

    def _rows(self, jobs: list[Job], snapshot: Snapshot) -> str:
        return "".join(snapshot.row_html(job) for job in jobs if job.pk in self.rows)

    def _panel(self, snapshot: Snapshot) -> str:
        panel = snapshot.panel
        self.counts = panel.counts
        self.rows = {row.job.pk for row in panel.rows}
        for row in panel.rows:
            self._remember(row.job)
        for job_id in self.versions.keys() - self.shown - self.rows - self.active:
            self._forget(job_id)  # a page may stay open while thousands of clips come and go
        return snapshot.panel_html()

    def _remember(self, job: Job) -> None:
        self.versions[job.pk] = job.version
        is_here = job.pk in self.shown or job.pk in self.rows
        _put(self.active, job.pk, job.is_active)
        if not job.is_active:
            self.progress.pop(job.pk, None)
        _put(self.waiting, job.pk, is_here and _waits(job))

    def _forget(self, job_id: UUID) -> None:
        self.versions.pop(job_id, None)
        self.progress.pop(job_id, None)
        self.active.discard(job_id)
        self.waiting.discard(job_id)


def _put(job_ids: set[UUID], job_id: UUID, belongs: bool) -> None:
    (job_ids.add if belongs else job_ids.discard)(job_id)


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

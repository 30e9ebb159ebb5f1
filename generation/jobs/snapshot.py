"""One reading of a user's jobs, shared by all of the user's open pages: each job is read and rendered once for all."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import cached_property
from uuid import UUID

from django.utils.translation import get_language

from accounts.models import User
from generation.jobs.activity import Counts, Panel, arranged, counts_by_user, counts_of, first_of
from generation.jobs.fragments import job_fragment, panel_fragment, recent_fragment, row_fragment
from generation.jobs.selectors import Progress, listed_jobs, place_all, progress_of
from generation.models import Job


class Snapshot:
    """A user's jobs at one moment. What is asked for is read then, and only once; so is each fragment per language."""

    def __init__(self, user: User) -> None:
        self.user = user
        self._jobs: dict[UUID, Job | None] = {}
        self._versions: dict[UUID, int] | None = None
        self._counts: Counts | None = None
        self._panels: dict[str | None, Panel] = {}
        self._progress: dict[tuple[UUID, str | None], Progress] = {}
        self._html: dict[tuple[str, UUID | None, str | None], str] = {}

    def find(self, job_ids: Collection[UUID]) -> list[Job]:
        """Return those of some jobs that are on the user's list."""
        read([(self, job_ids)])
        return [job for job_id in job_ids if (job := self._jobs[job_id]) is not None]

    def lacks(self, job_ids: Iterable[UUID]) -> set[UUID]:
        """Return those of some jobs that have not been read."""
        return {job_id for job_id in job_ids if job_id not in self._jobs}

    def keep(self, job_id: UUID, job: Job | None) -> None:
        """Note a job that was read; None if it is not on the user's list."""
        self._jobs[job_id] = job
        if job is not None:
            job.user = self.user  # so that nothing reads it for each job

    def versions(self, job_ids: Collection[UUID]) -> Mapping[UUID, int]:
        """Return the present versions of those of some jobs that are on the user's list."""
        if self._versions is None:
            read_versions([(self, job_ids)])
        return self._versions or {}

    def owned(self, job_ids: Collection[UUID]) -> list[UUID]:
        """Return those of some jobs that are the user's, on the list or not."""
        return list(Job.objects.filter(user=self.user, pk__in=job_ids).values_list("pk", flat=True)) if job_ids else []

    @property
    def counts(self) -> Counts:
        if self._counts is None:
            self._counts = counts_of(self.user)
        return self._counts

    @cached_property
    def _first(self) -> list[UUID]:
        """Return the IDs of the jobs in the panel."""
        found = first_of(self.user, self.counts)
        return [] if found is None else list(found)

    @property
    def panel(self) -> Panel:
        """Return the user's panel, in the language of the page."""
        key = get_language()
        if key not in self._panels:
            self._panels[key] = arranged(self.counts, self.find(self._first), self.progress)
        return self._panels[key]

    def progress(self, job: Job) -> Progress:
        """Return the progress of a job that was read, in the language of the page."""
        key = (job.pk, get_language())
        if key not in self._progress:
            self._progress[key] = progress_of(job)
        return self._progress[key]

    def article_html(self, job: Job) -> str:
        return self._once("article", job.pk, lambda: job_fragment(job, progress=self.progress(job)))

    def recent_html(self, job: Job) -> str:
        return self._once("recent", job.pk, lambda: recent_fragment(job))

    def row_html(self, job: Job) -> str:
        return self._once("row", job.pk, lambda: row_fragment(job, self.progress(job)))

    def panel_html(self) -> str:
        return self._once("panel", None, lambda: panel_fragment(self.panel))

    def _once(self, kind: str, job_id: UUID | None, render: Callable[[], str]) -> str:
        key = (kind, job_id, get_language())
        if key not in self._html:
            self._html[key] = render()
        return self._html[key]


def read(wanted: Collection[tuple[Snapshot, Collection[UUID]]]) -> None:
    """Read jobs of any number of users in a constant number of queries."""
    missing = [(snapshot, job_id) for snapshot, job_ids in wanted for job_id in snapshot.lacks(job_ids)]
    if not missing:
        return
    jobs = place_all(listed_jobs().filter(pk__in={job_id for _snapshot, job_id in missing}))
    found = {(job.user_id, job.pk): job for job in jobs}
    for snapshot, job_id in missing:
        snapshot.keep(job_id, found.get((snapshot.user.pk, job_id)))


def read_panels(snapshots: Collection[Snapshot]) -> None:
    """Read what the panels of these users show, in one query for each of them and a few for all."""
    _count(snapshots)
    read([(snapshot, snapshot._first) for snapshot in snapshots])


def read_versions(wanted: Collection[tuple[Snapshot, Collection[UUID]]]) -> None:
    """Read the versions of jobs of any number of users, and the users' counts, in two queries."""
    job_ids = {job_id for _snapshot, job_ids in wanted for job_id in job_ids}
    listed = Job.objects.filter(removed_at=None, pk__in=job_ids).order_by().values_list("user", "pk", "version")
    found = list(listed) if job_ids else []
    for snapshot, asked in wanted:
        mine = {job_id: version for user_id, job_id, version in found if user_id == snapshot.user.pk}
        snapshot._versions = {job_id: mine[job_id] for job_id in asked if job_id in mine}
    _count([snapshot for snapshot, _asked in wanted])


def _count(snapshots: Collection[Snapshot]) -> None:
    if lacking := [snapshot for snapshot in snapshots if snapshot._counts is None]:
        counts = counts_by_user([snapshot.user.pk for snapshot in lacking])
        for snapshot in lacking:
            snapshot._counts = counts[snapshot.user.pk]

"""Waiting loop of a batch: feeds the queue, shows progress and collects finished videos (docs/batch.md)."""

import time
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from tqdm import tqdm

from generation.batches import services as batches
from generation.batches.export import DELETED, Output, VideoUnreadable
from generation.batches.parsing import printable
from generation.batches.services import BatchEntry, Feed
from generation.domain.states import ENDED, Status
from generation.jobs import selectors
from generation.models import Job

POLL_SECONDS = 1.0
# After this long without progress, check for workers; stop waiting if none reply twice in a row.
STALL_SECONDS = 60.0
MANIFEST_SECONDS = 30.0
STORAGE_SECONDS = 60.0  # how long to keep retrying a video that the storage fails to return


class Outcome(Enum):
    ENDED = auto()
    NO_WORKER = auto()


def pause() -> None:
    """Sleep between two checks of the batch."""
    time.sleep(POLL_SECONDS)


class Wait:
    """A watcher of a batch's jobs until all have ended. On exit, it closes the bars and writes the manifest."""

    def __init__(
        self, feed: Feed, entries: list[BatchEntry], output: Output | None, say: Callable[[str], object]
    ) -> None:
        """Open the progress bars; `say` prints a line."""
        self.counts: Counter[str] = Counter()  # ended rows, by state
        self.silent: set[str] = set()  # queues without a worker, if that ended the wait
        self._feed, self._output, self._say = feed, output, say
        self._entries = entries
        self._waiting = {entry.row.number: entry for entry in entries if entry.request is not None}
        self._records: dict[int, dict[str, Any]] = {}
        self._refused: dict[int, float] = {}  # by row: when reading its video first failed
        self._written = time.monotonic()
        self._stall = _Stall()
        options: dict[str, Any] = {"disable": None, "dynamic_ncols": True}
        self._overall = tqdm(total=len(self._waiting), desc="all clips", unit="clip", position=0, **options)
        bar_format = "{desc} |{bar}| {percentage:3.0f}%"
        self._running = tqdm(total=1000, desc="waiting", position=1, leave=False, bar_format=bar_format, **options)

    @property
    def failed(self) -> int:
        """Return how many rows ended without a video."""
        return sum(self.counts.values()) - self.counts[Status.DONE]

    def __enter__(self) -> "Wait":
        return self

    def __exit__(self, *_error: object) -> None:
        self._running.close()
        self._overall.close()
        if self._output is not None:
            self._write_manifest()

    def run(self) -> Outcome:
        """Wait for the batch and return the outcome."""
        first = True
        while True:
            for _entry in self._feed.advance():
                pass
            states = batches.statuses(self._feed.batch)
            for number, entry in list(self._waiting.items()):
                if number not in self._feed:
                    self._look_at(entry, states.get(number), quiet=first)
            if not self._waiting:
                return Outcome.ENDED
            if self._is_deserted(states, first=first):
                return Outcome.NO_WORKER
            self._show()
            self._write_manifest_sometimes()
            first = False
            pause()

    def _look_at(self, entry: BatchEntry, status: str | None, *, quiet: bool) -> None:
        """Record a row if it has ended; `quiet` prints no line for one that is done."""
        if status is not None and status not in ENDED:
            return
        job = batches.job_of(self._feed.batch, entry.row.number)
        if job is None:
            record: dict[str, Any] | None = {"status": DELETED, "error": "The clip was deleted."}
        elif job.is_active:  # retried a moment ago
            return
        else:
            record = self._collect(entry, job)
        if record is not None:
            self._end(entry, record, quiet=quiet and record["status"] == Status.DONE)

    def _collect(self, entry: BatchEntry, job: Job) -> dict[str, Any] | None:
        """Write an ended row's file and return its record; None while the storage read is being retried."""
        if self._output is None:
            return {"status": job.status, "error": str(job.error_text)}
        number = entry.row.number
        try:
            return self._output.collect(entry, job)
        except VideoUnreadable as error:
            since = self._refused.setdefault(number, time.monotonic())
            if time.monotonic() - since < STORAGE_SECONDS:
                return None
            problem = f"The storage could not return the video: {error}"
            return {**self._output.record(entry, job), "status": "unreadable", "error": problem}

    def _end(self, entry: BatchEntry, record: dict[str, Any], *, quiet: bool) -> None:
        number, status = entry.row.number, record["status"]
        del self._waiting[number]
        if self._output is not None:
            self._records[number] = {**self._output.record(entry, None), **record}
        self.counts[status] += 1
        self._overall.set_postfix(dict(self.counts), refresh=False)
        self._overall.update()
        if not quiet:
            detail = record.get("file") or record["error"] or ""
            self._say(printable(f"line {entry.row.line}: {status}{': ' if detail else ''}{detail}"))

    def _is_deserted(self, states: dict[int, str], *, first: bool) -> bool:
        """Return whether there is work left and no worker for it."""
        if not first and not self._stall.is_due(self._progress(states)):
            return False
        unfinished = [entry for number, entry in self._waiting.items() if states.get(number) not in ENDED]
        self.silent = batches.silent_queues(batches.queues_of(unfinished)) if unfinished else set()
        return self._stall.note(bool(self.silent), decisive=first)

    def _progress(self, states: dict[int, str]) -> tuple[Any, ...]:
        """Return a value that changes with any progress."""
        return tuple(sorted(Counter(states.values()).items())), self._running.n, len(self._waiting)

    def _show(self) -> None:
        """Show the running job, or the queue place of the next one."""
        mine = selectors.jobs_of(self._feed.batch.user).filter(batch=self._feed.batch)
        job = mine.filter(status=Status.RUNNING).order_by("started_at").first()
        if job is None:
            job = mine.filter(status=Status.QUEUED).order_by("queued_at").first()
        if job is None:
            return
        progress = selectors.progress_of(job)
        state = progress.stage_label if job.status == Status.RUNNING else f"place {progress.place} in the queue"
        state = "rendering is paused" if progress.is_site_paused else state
        self._running.set_description_str(printable(f"row {job.row}: {state}"), refresh=False)
        self._running.n = progress.permille
        self._running.refresh()

    def _write_manifest_sometimes(self) -> None:
        if self._output is not None and time.monotonic() - self._written > MANIFEST_SECONDS:
            self._write_manifest()

    def _write_manifest(self) -> None:
        """Write one record per row of the file, in order."""
        output = self._output
        if output is None:
            return
        jobs = {job.row: job for job in self._feed.batch.jobs.all()}
        self._written = time.monotonic()
        output.write_manifest(
            self._records.get(entry.row.number) or output.record(entry, jobs.get(entry.row.number))
            for entry in self._entries
        )


class _Stall:
    """A stall detector: tells a batch waiting for its turn from one without workers."""

    def __init__(self) -> None:
        self._progress: tuple[Any, ...] = ()
        self._since = time.monotonic()
        self._silent_before = False

    def is_due(self, progress: tuple[Any, ...]) -> bool:
        """Return whether progress has stalled long enough to check for workers."""
        if progress != self._progress:
            self._progress, self._silent_before = progress, False
            self._since = time.monotonic()
        return time.monotonic() - self._since >= STALL_SECONDS

    def note(self, silent: bool, *, decisive: bool) -> bool:
        """Record a worker check; return whether to stop. One silent check is tolerated: the site may be restarting."""
        stop = silent and (decisive or self._silent_before)
        self._since, self._silent_before = time.monotonic(), silent
        return stop

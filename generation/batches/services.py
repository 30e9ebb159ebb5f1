"""Batch services: check rows, queue them in order, and resume where an earlier run of the command stopped.

Nothing here prints; the command does (management/commands/batch.py).
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.conf import settings
from django.db import IntegrityError

from accounts.models import User
from auravideo.core import publish
from generation.batches.parsing import Row, digest, printable
from generation.catalogue.load import Entry as CatalogueEntry
from generation.domain.errors import error_text
from generation.domain.prompt_syntax.templates import Lists
from generation.domain.stages import STAGES
from generation.domain.states import Status
from generation.models import Batch, Job
from generation.queue import blocked_terms, broker, services
from generation.quotas.refusals import NotNow
from generation.requests import available, drawing
from generation.requests.limits import Limits
from generation.requests.qualities import STANDARD_SIDE
from generation.requests.request import InvalidRequest, RenderRequest, parse

# Seconds to wait for workers to reply. The second, longer try is for workers that are starting or swapping.
ANSWER_SECONDS = (1.0, 4.0)


@dataclass(frozen=True, slots=True)
class BatchEntry:
    """A checked row: either its `request`, or `errors`, which maps fields ('' for the row itself) to texts."""

    row: Row
    request: RenderRequest | None = None
    errors: Mapping[str, list[Any]] = field(default_factory=dict)

    @property
    def problems(self) -> list[str]:
        """Return the errors, such as 'line 7, fps: This must be one of: 8, 16, 24, 25, 30, 32.'"""
        return [
            printable(f"line {self.row.line}{f', {name}' if name else ''}: {text}")
            for name, texts in self.errors.items()
            for text in texts
        ]


def check(rows: Iterable[Row], limits: Limits | None = None) -> list[BatchEntry]:
    """Return an entry per row, with its request or its errors; within the site's limits, or those of a user."""
    limits = limits or available.limits()
    # Check each model's files once, not once per row (up to 10,000).
    is_here = cache(lambda id: _is_here(available.catalogue()[id]))
    blocked, lists = blocked_terms.load(), available.lists()
    return [_check(row, limits, is_here, blocked, lists) for row in rows]


def _check(
    row: Row, limits: Limits, is_here: Callable[[str], bool], blocked: blocked_terms.BlockedTerms, lists: Lists
) -> BatchEntry:
    if row.problem:
        return BatchEntry(row, errors={"": [row.problem]})
    try:
        request = parse(row.values, available.catalogue(), limits)
        drawing.check(request, available.catalogue().models[request.model], lists)
        blocked.check_all(request, lists)
    except InvalidRequest as error:
        return BatchEntry(row, errors=error.errors)
    errors: dict[str, list[Any]] = {}
    for name, id in _models_of(request):
        if not is_here(id) and name not in errors:
            model = available.catalogue()[id]
            errors[name] = [error_text("model-missing", {"model": model.label, "command": model.command})]
    return BatchEntry(row, errors=errors) if errors else BatchEntry(row, request)


def _models_of(request: RenderRequest) -> Iterator[tuple[str, str]]:
    """Yield (field, catalogue ID) for everything that a request needs on this machine."""
    catalogue = available.catalogue()
    for entry in catalogue.with_needs(request.model):
        if entry.kind != "adapters":  # the request names its adapter itself
            yield "model", entry.id
    if request.motion_adapter:
        for entry in catalogue.with_needs(request.motion_adapter):
            yield "motion_adapter", entry.id
    for id, _weight in request.motion_loras:
        yield "motion_loras", id
    for id, _weight in request.style_loras:
        yield "style_loras", id


def _is_here(entry: CatalogueEntry) -> bool:
    """Return whether an entry's files are on this machine; built-in entries always are."""
    return entry.builtin or entry.is_available(settings.HOME)


def unused_words(entries: Iterable[BatchEntry]) -> list[str]:
    """Return the trigger words that models of these rows read; none if a prompt has one of them already."""
    requests = [entry.request for entry in entries if entry.request is not None]
    catalogue = available.catalogue()
    models = [catalogue.models[id] for id in dict.fromkeys(request.model for request in requests)]
    known = [each for model in models for each in catalogue.embeddings_for(model) if _is_here(each)]
    text = "\n".join(f"{request.engine_prompt}\n{request.negative_prompt}" for request in requests) if known else ""
    return [] if any(each.is_in(text) for each in known) else list(dict.fromkeys(each.word for each in known))


def sizes_left_open(entries: Iterable[BatchEntry]) -> dict[str, str]:
    """Return the size, such as '856x480', that rows without one get of each model, unless it is that of tiny models."""
    requests = [entry.request for entry in entries if entry.request is not None and not _names_size(entry.row)]
    larger = (each for each in requests if min(each.width, each.height) > STANDARD_SIDE)
    return {available.catalogue().models[each.model].label: f"{each.width}x{each.height}" for each in larger}


def _names_size(row: Row) -> bool:
    return any(row.values.get(name) not in (None, "") for name in ("size", "width", "height"))


def open_batch(user: User, name: str, rows: list[Row]) -> tuple[Batch, bool]:
    """Return the user's batch of these rows, and whether it is new."""
    defaults = {"name": printable(name)[:200]}
    return Batch.objects.get_or_create(user=user, digest=digest(rows), defaults=defaults)


class Feed:
    """A queue feeder: submits the rows of a batch in order, within the user's limit of active jobs and their quotas.

    Rows that already have a job are not queued again; failed or cancelled jobs are retried. Without `within_quotas`,
    only the limits of the site hold.
    """

    def __init__(self, batch: Batch, entries: Collection[BatchEntry], *, within_quotas: bool = True) -> None:
        self.batch = batch
        self._within_quotas = within_quotas
        self.refusal: NotNow | None = None  # why the rest must wait
        self.queued = self.retried = self.known = self.refused = 0
        self.reasons: list[Any] = []  # why rows were refused
        done = set(batch.jobs.filter(status=Status.DONE).values_list("row", flat=True))
        wanted = [entry for entry in entries if entry.request is not None]
        self._left = deque(entry for entry in wanted if entry.row.number not in done)
        self.known += len(wanted) - len(self._left)
        self._numbers = {entry.row.number for entry in self._left}

    @property
    def sent(self) -> int:
        """Return how many jobs this run queued or retried."""
        return self.queued + self.retried

    def __len__(self) -> int:
        """Return how many rows are still to be queued."""
        return len(self._left)

    def left(self) -> list[BatchEntry]:
        """Return the rows that are still to be queued, or have an active job."""
        return list(self._left)

    def __contains__(self, number: int) -> bool:
        """Return whether the row with this number is still to be queued."""
        return number in self._numbers

    def advance(self) -> Iterator[BatchEntry]:
        """Queue rows up to the user's limit, yielding each one once it is handled."""
        while self._left:
            entry = self._left[0]
            try:
                self._queue(entry)
            except NotNow as refusal:
                self.refusal = refusal
                return
            except InvalidRequest as refusal:  # a term was blocked, or a quota lowered, after the rows were checked
                self.refused += 1
                self.reasons += [text for texts in refusal.errors.values() for text in texts]
            self._left.popleft()
            self._numbers.discard(entry.row.number)
            yield entry

    def _queue(self, entry: BatchEntry) -> None:
        request = entry.request
        if request is None:
            raise ValueError(f"row {entry.row.number} has no request")
        job = self.batch.jobs.filter(row=entry.row.number).first()
        if job is None:
            try:
                services.submit(
                    self.batch.user,
                    request,
                    batch=self.batch,
                    row=entry.row.number,
                    within_quotas=self._within_quotas,
                )
            except IntegrityError:  # a concurrent run queued it first
                if not self.batch.jobs.filter(row=entry.row.number).exists():
                    raise
                self.known += 1
            else:
                self.queued += 1
        elif job.can_retry and services.retry(job, within_quotas=self._within_quotas):
            self.retried += 1
        else:
            self.known += 1


def statuses(batch: Batch) -> dict[int, str]:
    """Return the state of every job in a batch, by row."""
    return {row: status for row, status in batch.jobs.values_list("row", "status") if row is not None}


def job_of(batch: Batch, number: int) -> Job | None:
    """Return the job of a row, or None if there is none (its owner may have deleted it)."""
    return batch.jobs.filter(row=number).first()


def broker_answers() -> bool:
    """Return whether the broker is up. Jobs are safe without it: the scheduler sends unsent messages later."""
    try:
        broker.ping()
    except publish.BROKER_ERRORS:
        return False
    return True


def queues_of(entries: Collection[BatchEntry]) -> set[str]:
    """Return the queues that need a worker for these entries."""
    plans = (available.plan_for(entry.request) for entry in entries if entry.request is not None)
    return {STAGES[stage].queue for job_plan in plans for stage in job_plan.stages}


def silent_queues(needed: set[str]) -> set[str]:
    """Return the `needed` queues without a live worker; all of them if the broker is down."""
    silent = set(needed)
    if not broker_answers():
        return silent
    for timeout in ANSWER_SECONDS:
        try:
            silent = needed - broker.live_queues(timeout)
        except publish.BROKER_ERRORS:
            return set(needed)
        if not silent:
            break
    return silent

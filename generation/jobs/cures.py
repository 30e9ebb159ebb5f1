"""What would help a clip that failed, as a request that one click renders, linked to the clip that failed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from generation.catalogue.load import BaseModel
from generation.domain.states import ACTIVE, RunStatus, Stage, Status
from generation.models import Job
from generation.queue import placement, services
from generation.requests import available
from generation.requests.request import InvalidRequest, RenderRequest, parse
from generation.requests.smaller import smaller

# The errors that name a cure. The others are cured by trying again: nothing about the request was wrong.
SMALLER = frozenset({"out-of-memory", "machine-out-of-memory", "worker-lost", "stage-hung"})
DISGUISED = frozenset({"model-is-page", "model-is-archive", "model-is-pointer"})
CHECKPOINT = frozenset(
    {
        "checkpoint-unknown",
        "checkpoint-without-vae",
        "checkpoint-mismatch",
        "checkpoint-architecture",
        "checkpoint-type",
        "checkpoint-split",
    }
)
UNUSABLE = frozenset({"model-missing", "model-corrupt", "model-unexpected", "model-unsafe", "request-invalid"})
ANOTHER_MODEL = DISGUISED | CHECKPOINT | UNUSABLE
_KEPT = ("prompt", "negative_prompt", "width", "height", "seconds", "fps", "format")


@dataclass(frozen=True)
class Cure:
    """The request that would help, and what the button says."""

    request: RenderRequest
    label: str


def cure_of(job: Job) -> Cure | None:
    """Return what would help a failed job; None if nothing can be computed."""
    if job.status != Status.FAILED or job.error_id not in SMALLER | ANOTHER_MODEL:
        return None
    try:
        request = replace(job.render_request, seed=job.seed)
    except InvalidRequest:  # stored by another version
        return None
    return _smaller(job, request) if job.error_id in SMALLER else _with_another_model(job, request)


@transaction.atomic
def repair(job: Job, cure: Cure) -> Job:
    """Queue the cure of a failed job, once: return the clip that an earlier click made, unless that ended badly.

    Raises what `services.submit` does.
    """
    services.lock(job)
    good = Job.objects.filter(repair_of=job, status__in=[*ACTIVE, Status.DONE], removed_at=None)
    return good.order_by("-created_at").first() or services.submit(job.user, cure.request, repair_of=job)


def _smaller(job: Job, request: RenderRequest) -> Cure | None:
    model = available.catalogue().models.get(request.model)
    try:
        made = job.render_plan
    except InvalidRequest:  # it never had one, or another version stored it
        made = None
    found = smaller(request, model, available.limits(), _failed_at(job), made) if model else None
    if found is None:
        return None
    facts = {"size": min(found.width, found.height), "seconds": found.seconds}
    return Cure(found, _("Render at %(size)s px, %(seconds)s s") % facts)


def _failed_at(job: Job) -> Stage | None:
    """Return the stage at which a job failed; None if that is not known."""
    ended = [run for run in job.stage_runs.all() if run.status in (RunStatus.FAILED, RunStatus.LOST)]
    names = [job.error_context.get("stage"), *(run.stage for run in sorted(ended, key=lambda run: -run.run))]
    return next((Stage(name) for name in names if name in list(Stage)), None)


def _with_another_model(job: Job, request: RenderRequest) -> Cure | None:
    catalogue = available.catalogue()
    for model in (catalogue.default_model, *catalogue.models.values()):
        found = _moved(request, model) if model.id != request.model else None
        if found and _is_whole(found, job.error_context.get("model", "")):
            return Cure(found, _("Render with %(model)s") % {"model": model.label})
    return None


def _moved(request: RenderRequest, model: BaseModel) -> RenderRequest | None:
    """Return a request for another model, with that model's own steps and motion; None if it cannot render it."""
    kept = {name: getattr(request, name) for name in _KEPT}
    try:
        return parse({**kept, "seed": request.seed, "model": model.id}, available.catalogue(), available.limits())
    except InvalidRequest:
        return None


def _is_whole(request: RenderRequest, broken: str) -> bool:
    """Return whether all models that a request needs are here, and none of them is the one that is broken."""
    entries = list(_entries(request, available.plan_for(request).stages))
    loras = [lora[0] for entry in entries if (lora := getattr(entry, "lora", None)) is not None]
    needed = [*entries, *(available.catalogue()[id] for id in loras)]
    return all(entry.label != broken and entry.is_available(settings.HOME) for entry in needed)


def _entries(request: RenderRequest, stages: Iterable[Stage]) -> Iterator[BaseModel]:
    for stage in stages:
        yield from placement.entries(stage, request)  # type: ignore[misc]  # a protocol with less than an entry

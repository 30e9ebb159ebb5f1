"""The units of a job: what its plan asks for, and which of them are done."""

from collections.abc import Sequence
from uuid import UUID

from generation.domain.plan import Plan
from generation.domain.states import RunStatus, Stage
from generation.models import Job, StageRun
from generation.requests import available


def done(job: Job) -> set[tuple[Stage, int]]:
    """Return the (stage, chunk) pairs of a job whose output is stored."""
    return done_of_all([job.pk]).get(job.pk, set())


def done_of_all(job_ids: Sequence[UUID]) -> dict[UUID, set[tuple[Stage, int]]]:
    """Return `done` for several jobs in one query; jobs without any are left out."""
    found: dict[UUID, set[tuple[Stage, int]]] = {}
    rows = StageRun.objects.filter(job__in=job_ids, status=RunStatus.DONE).values_list("job_id", "stage", "chunk")
    for job_id, stage, chunk in rows:
        found.setdefault(job_id, set()).add((Stage(stage), chunk))
    return found


def frozen_plan(job: Job) -> Plan:
    """Return the plan of a job. One that has none gets it now: its model is back, or the version before queued it.

    Raises:
        InvalidRequest: its model is not in the catalogue, or its plan cannot be read.
    """
    if job.plan is None:
        job.plan = available.plan_for(job.render_request).to_dict()
        Job.objects.filter(pk=job.pk).update(plan=job.plan)
    return job.render_plan

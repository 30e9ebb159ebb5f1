"""How stages are lost, and how often is too often."""

from generation.domain.states import MAX_ATTEMPTS, MAX_CARD_FAILURES, RunStatus
from generation.models import Job

HUNG = "stage-hung"
OUT_OF_MEMORY, MACHINE_OUT_OF_MEMORY = "out-of-memory", "machine-out-of-memory"
CARD_FAILED, CARD_EXCLUSIVE = "card-failed", "card-exclusive"
CARD_REASONS = (CARD_FAILED, CARD_EXCLUSIVE)
REASONS = (HUNG, OUT_OF_MEMORY, MACHINE_OUT_OF_MEMORY, *CARD_REASONS)  # otherwise the worker is lost


def exhausted_stage(job: Job) -> tuple[str, dict[str, str]] | None:
    """Return the error to fail with if a stage was lost too often, and its context: how it was lost the last time."""
    lost = job.stage_runs.filter(status=RunStatus.LOST, run__gte=job.first_run).order_by("run")
    kinds: dict[tuple[str, int, bool], list[tuple[str, dict[str, str]]]] = {}
    for stage, chunk, error, facts in lost.values_list("stage", "chunk", "error", "output"):
        kind = error if error in REASONS else "worker-lost"
        kinds.setdefault((stage, chunk, kind in CARD_REASONS), []).append((kind, facts))
    for (stage, _chunk, is_card), found in kinds.items():
        if len(found) >= (MAX_CARD_FAILURES if is_card else MAX_ATTEMPTS):
            error, facts = found[-1]
            return error, {**facts, "attempts": str(len(found)), "stage": stage}
    return None

"""How attempts at a stage end, for the metrics."""

from auravideo.core.metrics import declared, reporting
from generation.domain.states import Stage
from generation.models import StageRun

DONE, FAILED, LOST, CANCELLED = "done", "failed", "lost", "cancelled"
HUNG = "hung"  # its worker killed it, because it made no progress
OUT_OF_MEMORY = "out-of-memory"
HANDED_BACK = "handed-back"  # its worker was stopping
INTERRUPTED = "interrupted"  # by an outage of the database, the storage or the network
PAUSED = "paused"  # with all rendering of the site
OUTCOMES = (DONE, FAILED, LOST, HUNG, OUT_OF_MEMORY, CANCELLED, HANDED_BACK, INTERRUPTED, PAUSED)


def count(stage: Stage | str, outcome: str) -> None:
    """Count the end of an attempt, and let the site know soon."""
    declared.STAGE_ATTEMPTS.labels(stage=str(stage), outcome=outcome).inc()
    reporting.soon()


def count_done(held: StageRun, seconds: float) -> None:
    """Count a finished stage, with its duration."""
    declared.STAGE_SECONDS.labels(stage=held.stage).observe(seconds)
    count(held.stage, DONE)

"""Jobs, batches and presets, who may have how many of them, and who renders them."""

from generation.models.batch import Batch
from generation.models.blocked_term import BlockedTerm
from generation.models.job import Job
from generation.models.labels import STAGE_LABELS, STATUS_LABELS
from generation.models.preset import Preset
from generation.models.quota import LedgerEntry, Quota
from generation.models.stage_run import StageRun
from generation.models.worker import LoadTime, RenderingPause, Worker

__all__ = [
    "STAGE_LABELS",
    "STATUS_LABELS",
    "Batch",
    "BlockedTerm",
    "Job",
    "LedgerEntry",
    "LoadTime",
    "Preset",
    "Quota",
    "RenderingPause",
    "StageRun",
    "Worker",
]

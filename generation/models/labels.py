"""What the states of jobs, and their stages, are called."""

from django.utils.translation import gettext_lazy as _

from generation.domain.stages import STAGES
from generation.domain.states import RunStatus, Status

STATUS_LABELS = {
    Status.QUEUED: _("queued"),
    Status.RUNNING: _("rendering"),
    Status.DONE: _("done"),
    Status.FAILED: _("failed"),
    Status.CANCELLED: _("cancelled"),
}
STAGE_LABELS = {stage: spec.label for stage, spec in STAGES.items()}
RUN_STATUS_LABELS = {
    RunStatus.RUNNING: _("running"),
    RunStatus.DONE: _("done"),
    RunStatus.FAILED: _("failed"),
    RunStatus.LOST: _("lost"),
    RunStatus.CANCELLED: _("cancelled"),
    RunStatus.DISCARDED: _("discarded"),
}


def choices(labels: dict) -> list[tuple[str, object]]:
    """Return the choices of a field that stores the keys of `labels`."""
    return [(key.value, label) for key, label in labels.items()]

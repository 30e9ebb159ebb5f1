"""Attempts at the stages of jobs."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from generation.domain.states import RunStatus
from generation.models.job import Job
from generation.models.labels import RUN_STATUS_LABELS, STAGE_LABELS, choices


class StageRun(models.Model):
    """One attempt at one stage of one chunk: its worker, progress, output and outcome."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="stage_runs", verbose_name=_("job"))
    run = models.PositiveIntegerField(_("run"))
    stage = models.CharField(_("stage"), max_length=12, choices=choices(STAGE_LABELS))
    chunk = models.PositiveIntegerField(_("chunk"), default=0)
    status = models.CharField(_("state"), max_length=10, choices=choices(RUN_STATUS_LABELS), default=RunStatus.RUNNING)
    worker = models.CharField(_("worker"), max_length=200)
    done = models.PositiveIntegerField(_("steps done"), default=0)
    total = models.PositiveIntegerField(_("total steps"), default=0)
    is_loading = models.BooleanField(_("is loading its model"), default=False)
    load_seconds = models.FloatField(_("seconds of loading"), default=0)  # before its work; 0 if its model was warm
    cost = models.FloatField(_("cost"), default=0)  # units of work, see generation/queue/estimates.py
    output = models.JSONField(_("output"), default=dict, blank=True)
    error = models.TextField(_("error"), blank=True)
    started_at = models.DateTimeField(_("started"))
    heartbeat_at = models.DateTimeField(_("heartbeat"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("stage run")
        verbose_name_plural = _("stage runs")
        ordering = ["started_at"]
        indexes = [
            models.Index(fields=["status", "heartbeat_at"]),
            models.Index(fields=["stage", "status", "ended_at"]),
        ]
        constraints = [
            # The claim: if a message is delivered twice, only one delivery can insert this row.
            models.UniqueConstraint(fields=["job", "run", "stage", "chunk"], name="one_claim_a_run"),
        ]

    def __str__(self) -> str:
        return f"{self.stage}[{self.chunk}] of {self.job_id}, run {self.run}: {self.status}"

    @property
    def seconds(self) -> float | None:
        """Return the run time in seconds; None while running."""
        return (self.ended_at - self.started_at).total_seconds() if self.ended_at else None

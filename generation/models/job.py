"""Clips that were asked for. The database is the truth; only generation.queue writes their states."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from generation.domain.errors import error_text, warning_text
from generation.domain.plan import Plan
from generation.domain.states import ACTIVE, NEWS, Status
from generation.models.batch import Batch
from generation.models.labels import STAGE_LABELS, STATUS_LABELS, choices
from generation.requests.request import InvalidRequest, RenderRequest


class Job(models.Model):
    """One requested clip. Only generation.queue writes `status`."""

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="jobs", verbose_name=_("user"))
    batch = models.ForeignKey(
        Batch, models.CASCADE, null=True, blank=True, related_name="jobs", verbose_name=_("batch")
    )
    row = models.PositiveIntegerField(_("row in the batch"), null=True, blank=True)
    # The failed job that this one makes up for (generation/jobs/cures.py).
    repair_of = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="repairs", verbose_name=_("repair of")
    )
    request = models.JSONField(_("request"))
    seed = models.PositiveBigIntegerField(_("seed"))
    # Frozen at submission: editing the catalogue must not change the chunks of a running job.
    # Null if the model had left the catalogue before plans were stored.
    plan = models.JSONField(_("plan"), null=True, blank=True, editable=False)
    warnings = models.JSONField(_("warnings"), default=list, blank=True)
    status = models.CharField(_("state"), max_length=10, choices=choices(STATUS_LABELS), default=Status.QUEUED)
    # Rises with every change; anything holding a lower one is stale.
    version = models.PositiveIntegerField(_("version"), default=1)
    run = models.PositiveIntegerField(_("run"), default=1)  # fencing token: messages of an older run are dropped
    # The first run since the user last submitted or retried; attempts count from it.
    first_run = models.PositiveIntegerField(_("first run"), default=1)
    # Of the message of the first stage; whose clip is generated next is decided by generation/queue/turns.py.
    priority = models.PositiveSmallIntegerField(_("priority"), default=0)
    # The queue of `generate` in which the job waits for its turn; "" before and after that.
    waits_in = models.CharField(_("waits in"), max_length=40, blank=True, default="", db_default="", editable=False)
    # Unix time of the newest live preview, a cache buster in its URL; 0 without one.
    previewed_at = models.PositiveIntegerField(_("previews"), default=0)
    error_id = models.CharField(_("error"), max_length=40, blank=True)
    error_context = models.JSONField(_("error details"), default=dict, blank=True)
    traceback = models.TextField(_("traceback"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)
    queued_at = models.DateTimeField(_("queued"))
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    touched_at = models.DateTimeField(_("last sign of life"))
    seen_at = models.DateTimeField(_("seen"), null=True, blank=True)  # when its owner saw the outcome
    removed_at = models.DateTimeField(
        _("removed from the list"), null=True, blank=True
    )  # by its owner; the video stays

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at"]),
            models.Index(fields=["status", "queued_at"]),
            models.Index(fields=["status", "ended_at"]),
            models.Index(fields=["waits_in", "user", "queued_at"], condition=~Q(waits_in=""), name="waiting_jobs"),
            models.Index(fields=["user", "-started_at"], name="last_started_job"),
            # For the counts and the panel on every page.
            models.Index(fields=["user", "status", "seen_at"], condition=Q(removed_at=None), name="listed_jobs"),
            models.Index(fields=["user", "-ended_at"], condition=Q(removed_at=None), name="listed_jobs_by_end"),
        ]
        constraints = [models.UniqueConstraint(fields=["batch", "row"], name="one_job_a_row")]

    def __str__(self) -> str:
        return f"{self.id}: {self.request.get('prompt', '')[:60]}"

    @property
    def render_request(self) -> RenderRequest:
        """Return the request. Raises InvalidRequest if another version stored it, in a way that cannot be read."""
        return RenderRequest.from_dict(self.request)

    @property
    def asked(self) -> RenderRequest | dict[str, str]:
        """Return what pages show of the request: all of it, or the prompt alone if the rest cannot be read."""
        try:
            return self.render_request
        except InvalidRequest:
            return {"prompt": str(self.request.get("prompt", ""))}

    @property
    def render_plan(self) -> Plan:
        """Return the plan frozen at submission.

        Raises:
            InvalidRequest: the plan is unreadable, or missing because the model had left the catalogue.
        """
        if self.plan is None:
            raise InvalidRequest({"model": [_("The model is no longer in the catalogue.")]})
        try:
            return Plan.from_dict(self.plan)
        except ValueError as error:
            raise InvalidRequest({"model": [str(error)]}) from error

    @property
    def stored_request(self) -> dict[str, Any]:
        """Return the request with the seed drawn for it: enough to make the same clip again."""
        return {**self.request, "seed": self.seed}

    @property
    def is_active(self) -> bool:
        return self.status in ACTIVE

    can_cancel = is_active

    @property
    def can_retry(self) -> bool:
        return self.status in (Status.FAILED, Status.CANCELLED)

    @property
    def can_remove(self) -> bool:
        return not self.is_active and self.removed_at is None

    @property
    def is_new(self) -> bool:
        """Return whether the job has an outcome that its owner has not seen; cancelled jobs are never new."""
        return self.status in NEWS and self.seen_at is None

    @property
    def warning_texts(self) -> list[str]:
        """Return the warnings for the user; the clip is rendered all the same."""
        return [warning_text(warning) for warning in self.warnings]

    @property
    def error_text(self) -> str:
        """Return why the job failed, worded for its owner, or ''."""
        context = {**self.error_context}
        if context.get("stage") in STAGE_LABELS:
            context["stage"] = str(STAGE_LABELS[context["stage"]])
        return error_text(self.error_id, context) if self.error_id else ""
